"""Data sets from a user's images, one folder per class."""
