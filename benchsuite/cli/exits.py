"""What becomes of a verb's result and of whatever it raises: an exit code and, where one is due, a message."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec

import typer

from benchsuite.errors import BenchsuiteError, ControlFlowError

EXIT_BUG = 3
EXIT_INTERRUPTED = 130

Parameters = ParamSpec("Parameters")


def exits(verb: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """Turn a verb that returns its exit code into one that exits with it, and that never shows an expected failure raw.

    typer's own handling is left for wrong options only: it would turn Ctrl-C into "Aborted!" with another code.
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
        # Whoever read our output has gone (`benchsuite list | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, BenchsuiteError) and not isinstance(error, ControlFlowError):
            _say(str(error))
            return error.exit_code
        if type(error).__module__.startswith(("typer", "click")):
            raise  # a wrong option, told by typer
        traceback.print_exc()
        _say("this is a bug of benchsuite; please report it with the lines above (`benchsuite doctor --json` helps)")
        return EXIT_BUG


def _say(message: str) -> None:
    sys.stderr.write(f"benchsuite: {message}\n")
