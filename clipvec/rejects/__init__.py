"""The images that could not be embedded, and why."""
