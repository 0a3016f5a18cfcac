"""A spec-driven benchmark suite for credit-assignment learning rules.

Importing this package imports nothing heavy: torch, mlflow and scikit-learn are loaded by what uses them.
"""

from benchsuite.version import __version__

__all__ = ["__version__"]
