"""The systems under test: FAISS indexes and the live Chroma collection."""
