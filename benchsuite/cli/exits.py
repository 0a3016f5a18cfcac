"""Turn a verb's result or exception into an exit code and, if needed, a message."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from benchsuite.cli.safe_stderr import write_safely, write_traceback
from benchsuite.errors import BenchsuiteError, ControlFlowError

EXIT_FAILED = 1
EXIT_BUG = 3
EXIT_NOTHING = 5
EXIT_INTERRUPTED = 130

DISK_ERRORS = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "ENOTCONN")
    if hasattr(errno, name)
)
"""Errors of a disk or a folder that no code can prevent: full, read-only, without permission, broken, or gone."""

Parameters = ParamSpec("Parameters")


def exits(verb: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """Wrap a verb so that it exits with the code it returns, and prints expected failures without a traceback.

    typer's own handling remains for wrong options only: it would turn Ctrl-C into "Aborted!" with another code.
    """

    @functools.wraps(verb)
    def wrapped(*arguments: Parameters.args, **options: Parameters.kwargs) -> None:
        raise typer.Exit(_code_of(lambda: verb(*arguments, **options)))

    return wrapped


def _code_of(act: Callable[[], int]) -> int:
    try:
        return act()
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed the pipe (`benchsuite list | head`); avoid an error message at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, BenchsuiteError) and not isinstance(error, ControlFlowError):
            _say(str(error))
            return error.exit_code
        if type(error).__module__.startswith(("typer", "click")):
            raise  # a wrong option, reported by typer
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            where = f"{error.filename}: " if error.filename else ""
            _say(f"{where}{error.strerror}; finished results are kept, run again once this is mended")
            return EXIT_FAILED
        write_traceback()
        _say("this is a bug of benchsuite; please report it with the lines above (`benchsuite doctor --json` helps)")
        return EXIT_BUG


def _say(message: str) -> None:
    write_safely(f"benchsuite: {message}\n")
