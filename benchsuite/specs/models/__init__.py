"""Specs as frozen pydantic models: one module per kind of spec. Nothing here reads a file."""
