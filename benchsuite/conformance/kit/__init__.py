"""Checks of the conformance kit; import them from ``benchsuite.testing``."""
