"""Seeded synthetic images."""
