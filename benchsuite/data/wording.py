"""Words for what others raise. Imports nothing heavy."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """Return a foreign exception's type and message on one line, cut to what a person reads."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
