"""The Python API, for notebooks and other programs; `clipvec` itself is its face."""
