"""Experiments with the suite's own rules and networks in settings whose result is known from theory."""
