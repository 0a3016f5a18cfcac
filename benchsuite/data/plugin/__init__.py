"""A data set that a plugin reads."""
