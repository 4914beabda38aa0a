"""ChromaDB as an index; chromadb is imported only here."""
