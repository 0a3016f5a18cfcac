"""Entry point of the command, with its exit codes and error handling.

Exit codes:
    0: every selected run has a record and none crashed; divergence is a result.
    1: a run crashed or ran out of memory, or a check found problems.
    2: the request was wrong and nothing was started.
    3: a bug of benchsuite.
    5: the selection matched nothing.
    130: interrupted; state is saved and the command that continues is printed.
"""

from __future__ import annotations

import sys

import typer

from benchsuite.cli import (
    audit,
    claims,
    data,
    doctor,
    info,
    leaderboard,
    listing,
    new,
    plan,
    records,
    run,
    schema,
    selftest,
    sync,
    time,
    transfer,
    tune,
    ui,
    validate,
    verify,
)
from benchsuite.cli.exits import EXIT_BUG, exits
from benchsuite.process import end_at_ctrl_c, end_process, own_process
from benchsuite.version import __version__

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
app.command("run")(exits(run.run))
app.command("tune")(exits(tune.tune))
app.command("plan")(exits(plan.plan))
app.command("list")(exits(listing.list_))
app.command("info")(exits(info.info))
app.command("validate")(exits(validate.validate))
app.command("audit")(exits(audit.audit))
app.command("schema")(exits(schema.schema))
app.add_typer(data.app, name="data")
app.add_typer(leaderboard.app, name="leaderboard")
app.command("time")(exits(time.time))
app.command("selftest")(exits(selftest.selftest))
app.command("claims")(exits(claims.claims))
app.command("verify")(exits(verify.verify))
app.command("export")(exits(transfer.export))
app.command("import")(exits(transfer.import_))
app.add_typer(records.app, name="records")
app.command("ui")(exits(ui.ui))
app.command("sync")(exits(sync.sync))
app.add_typer(new.app, name="new")
app.command("doctor")(exits(doctor.doctor))


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
    """Run the command and exit with its code; this process is the command's own."""
    own_process()
    code = run_command()
    end_at_ctrl_c()
    end_process(code)


def run_command(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; no expected failure gives a traceback.

    Args:
        arguments: command-line arguments after ``benchsuite``; the process's own if not given.
    """
    try:
        app(arguments, prog_name="benchsuite")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_BUG
    return 0
