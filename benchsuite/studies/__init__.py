"""Experiments: the suite's own rules and networks in settings where the theory says what must come out."""
