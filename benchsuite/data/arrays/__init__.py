"""A user's own arrays."""
