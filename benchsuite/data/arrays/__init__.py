"""Data sets from a user's arrays."""
