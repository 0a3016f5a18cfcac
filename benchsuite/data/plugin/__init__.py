"""Data sets that are read by a plugin."""
