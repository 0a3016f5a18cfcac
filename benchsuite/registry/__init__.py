"""How rules, data sets, architectures and diagnostics of any distribution are found and loaded."""

from benchsuite.registry.markers import hookimpl

__all__ = ["hookimpl"]
