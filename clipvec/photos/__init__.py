"""One's own photos from a folder to a page that searches them, in one command."""
