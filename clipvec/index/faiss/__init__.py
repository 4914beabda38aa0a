"""FAISS as an index on disk; within the index package, faiss is imported only here."""
