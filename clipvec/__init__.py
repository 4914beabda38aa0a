"""clipvec: images in, a searchable vector index out, and proof that the index is good."""

__version__ = "0.1.0"
