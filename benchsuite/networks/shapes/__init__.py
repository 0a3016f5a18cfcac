"""Outlines of networks: the shapes, parameters and operations of every segment, computed without tensors."""
