"""Text, image and combined queries from the shell."""
