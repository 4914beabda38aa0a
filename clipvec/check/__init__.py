"""Whether a store, and the index of it, are byte for byte and row for row what was written."""
