"""torch as the runtime of a model; torch and open_clip are imported only here."""
