"""Synthetic images made from a seed."""
