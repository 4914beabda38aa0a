"""Hydra's side of clipvec's sweeps: a sweeper that knows shards, and a launcher."""
