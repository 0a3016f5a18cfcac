"""Find and load the rules, data sets, architectures and diagnostics of all installed distributions."""

from benchsuite.registry.markers import hookimpl

__all__ = ["hookimpl"]
