"""What makes the pages of this folder: figures read from results/, templates, a picture."""
