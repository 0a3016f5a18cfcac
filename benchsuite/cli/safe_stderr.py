"""Write warnings and tracebacks on stderr: what a plugin's exception says is shown, and obeyed by no terminal."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings


class SafeHandler(logging.Handler):
    """Writes the suite's log on stderr, without control characters."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        write_safely(self.format(record) + "\n")


def write_safely(text: str) -> None:
    """Write a text on stderr without control characters."""
    from benchsuite.api.display import printable  # late: most commands write nothing here

    sys.stderr.write(printable(text))


def write_traceback() -> None:
    """Write the traceback of the exception that is being handled."""
    write_safely(traceback.format_exc())


def log_safely() -> None:
    """Have the suite's loggers and Python's warnings write without control characters from now on."""
    logger = logging.getLogger("benchsuite")
    if not any(isinstance(handler, SafeHandler) for handler in logger.handlers):
        logger.addHandler(SafeHandler(logging.WARNING))
        warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    write_safely(warnings.formatwarning(message, category, filename, lineno, line))
