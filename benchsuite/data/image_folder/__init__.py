"""A user's own images, one folder per class."""
