"""Data sets: read once, held on the device as they are, fingerprinted."""
