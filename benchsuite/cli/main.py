"""Entry point of the command, its exit codes, and what becomes of errors.

Exit codes:
    0: every selected run has a record and none crashed; divergence is a result.
    1: a run crashed or ran out of memory, or a check found problems.
    2: the request was wrong and nothing was started.
    3: a bug of benchsuite.
    5: the selection matched nothing.
    130: interrupted; state is saved and the command that continues is printed.
"""

from __future__ import annotations

import os
import sys
import traceback

import click
import typer

from benchsuite.cli import doctor, info, leaderboard, listing, new, plan, run, schema, sync, ui, validate
from benchsuite.errors import BenchsuiteError
from benchsuite.version import __version__

EXIT_OK, EXIT_PROBLEMS, EXIT_REQUEST, EXIT_BUG, EXIT_NOTHING, EXIT_INTERRUPTED = 0, 1, 2, 3, 5, 130

EPILOG = (
    "Exit codes: 0 all runs have a record and none crashed (divergence is a result) · 1 a run crashed or ran out of "
    "memory, or a check found problems · 2 the request was wrong, nothing was started · 3 our bug · 5 the selection "
    "matched nothing · 130 interrupted, state saved."
)

app = typer.Typer(
    name="benchsuite",
    help="Benchmark credit-assignment learning rules: same data, networks, seeds and protocol for all.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("list")(listing.list_)
app.command("info")(info.info)
app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.add_typer(leaderboard.app, name="leaderboard")
app.command("ui")(ui.ui)
app.command("sync")(sync.sync)
app.add_typer(new.app, name="new")
app.command("doctor")(doctor.doctor)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"benchsuite {__version__}\n")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True, callback=_print_version),
) -> None:
    pass


def main() -> None:
    """Run the command and exit with its code."""
    sys.exit(run_command())


def run_command(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; no expected failure gives a traceback.

    Args:
        arguments: what was typed after ``benchsuite``; the process's own if not given.

    """
    try:
        command = typer.main.get_command(app)
        result = command.main(arguments, prog_name="benchsuite", standalone_mode=False)
        return result if isinstance(result, int) else EXIT_OK
    except typer.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_REQUEST
    except click.ClickException as error:
        error.show()
        return EXIT_REQUEST
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`benchsuite list | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except BenchsuiteError as error:
        _say(str(error))
        return error.exit_code
    except Exception:
        traceback.print_exc()
        _say("this is a bug of benchsuite; please report it with the lines above (`benchsuite doctor --json` helps)")
        return EXIT_BUG


def _say(message: str) -> None:
    sys.stderr.write(f"benchsuite: {message}\n")
