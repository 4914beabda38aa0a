"""Takes rows of a store out of every answer at once."""
