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
from collections.abc import Callable

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
from benchsuite.cli.safe_stderr import log_safely
from benchsuite.cli.verbs import Verb, Verbs, examples
from benchsuite.process import end_at_ctrl_c, end_process, own_process
from benchsuite.version import __version__

RUN, LOOK, SHARE, EXTEND = "Run", "Look", "Share", "Extend"
"""Headings of the verbs in the help, in this order."""

EPILOG = (
    "Exit codes: 0 all runs have a record and none crashed (divergence is a result) · 1 a run crashed or ran out of "
    "memory, or a check found problems · 2 the request was wrong, nothing was started · 3 our bug · 5 the selection "
    "matched nothing · 130 interrupted, state saved."
)

app = typer.Typer(
    name="benchsuite",
    cls=Verbs,
    help="Benchmark credit-assignment learning rules: same data, networks, seeds and protocol for all.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(panel: str, name: str, verb: Callable[..., int], *commands: str) -> None:
    app.command(name, cls=Verb, rich_help_panel=panel, epilog=examples(*commands))(exits(verb))


_add(
    RUN,
    "run",
    run.run,
    "benchsuite run quickstart",
    "benchsuite run mnist-fc --rules backprop,feedback_alignment --seeds 3 --jobs 2",
)
_add(
    RUN,
    "plan",
    plan.plan,
    "benchsuite plan gevb-tables",
    "benchsuite plan mnist-fc --tier paper --rules 'feedback*' --hardware a100-bf16",
)
_add(
    RUN,
    "tune",
    tune.tune,
    "benchsuite tune digits-fc --rules backprop,gevb --trials 16",
    "benchsuite run digits-fc --settings tuned",
)
_add(RUN, "time", time.time, "benchsuite time mnist-fc", "benchsuite time mnist-fc --rules backprop,gevb --minutes 1")
_add(RUN, "selftest", selftest.selftest, "benchsuite selftest gpu", "benchsuite selftest cpu --minutes 2")
app.add_typer(data.app, name="data", rich_help_panel=RUN)
_add(LOOK, "list", listing.list_, "benchsuite list", "benchsuite list tracks --match mnist")
_add(LOOK, "info", info.info, "benchsuite info gevb", "benchsuite info mnist-fc --json")
_add(LOOK, "claims", claims.claims, "benchsuite claims", "benchsuite claims --records leaderboard/records --published")
app.add_typer(leaderboard.app, name="leaderboard", rich_help_panel=LOOK)
_add(LOOK, "ui", ui.ui, "benchsuite ui", "benchsuite ui --track digits-fc --port 0")
_add(LOOK, "doctor", doctor.doctor, "benchsuite doctor", "benchsuite doctor --json")
_add(
    SHARE,
    "export",
    transfer.export,
    "benchsuite export --out records --without-paths",
    "benchsuite export --out records --track mnist-fc --finished",
)
_add(
    SHARE,
    "import",
    transfer.import_,
    "benchsuite import records/",
    "benchsuite import a.json b.json --store results",
)
app.add_typer(records.app, name="records", rich_help_panel=SHARE)
_add(
    SHARE,
    "verify",
    verify.verify,
    "benchsuite verify records/",
    "benchsuite verify benchsuite-store/records --rerun",
)
_add(SHARE, "sync", sync.sync, "benchsuite sync", "benchsuite sync --tracking-uri http://localhost:5000")
app.add_typer(new.app, name="new", rich_help_panel=EXTEND)
_add(EXTEND, "audit", audit.audit, "benchsuite audit my_rule", "benchsuite audit backprop gevb --out audits")
_add(
    EXTEND,
    "validate",
    validate.validate,
    "benchsuite validate tracks/mine.yaml",
    "benchsuite validate tracks/*.yaml --specs .",
)
_add(EXTEND, "schema", schema.schema, "benchsuite schema track", "benchsuite schema --out schemas")


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
    log_safely()
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
