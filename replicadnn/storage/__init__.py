"""Files: complete or not there, one writer, nothing computed is lost."""
