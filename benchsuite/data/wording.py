"""Short messages for exceptions of other libraries. Imports nothing heavy."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """Return an exception's type and message on one line, the message cut to 300 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
