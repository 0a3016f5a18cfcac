"""Specs: what to run, as data. Nothing here knows torch."""
