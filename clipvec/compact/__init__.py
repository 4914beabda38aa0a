"""Takes the bytes of deleted rows out of every file of a store and its index; joins small files."""
