"""Data sets prepared once on this machine from an archive, then read as arrays."""
