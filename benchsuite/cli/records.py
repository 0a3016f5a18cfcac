"""``benchsuite records lint``: check a folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import JsonOption, print_json, show
from benchsuite.cli.verbs import Verb, Verbs, examples

app = typer.Typer(cls=Verbs, help="Check folders of records.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep typer from treating the only verb as the group itself."""


@app.command(
    "lint",
    cls=Verb,
    epilog=examples("benchsuite records lint leaderboard/records", "benchsuite records lint records --json"),
)
@exits
def lint(
    folder: Annotated[Path, typer.Argument(help="A folder of records, with its subfolders.", show_default=False)],
    as_json: JsonOption = False,
) -> int:
    """Check a folder of records: broken files, names, hashes, duplicates, mixed tracks, missing seeds, dirty code.

    Data without the published checksums is named. Exit code 1 if there is any problem.
    """
    from benchsuite.api.linting import lint

    report = lint(folder)
    if as_json:
        print_json(
            {
                "records": report.records,
                "clean": report.is_clean,
                "findings": [
                    {"path": str(f.path), "message": f.message, "problem": f.is_problem} for f in report.findings
                ],
            }
        )
    else:
        show(map(str, report.findings))
        problems = sum(f.is_problem for f in report.findings)
        count = "1 problem" if problems == 1 else f"{problems} problems"
        show([f"{folder}: {report.records} records, {count if problems else 'no problem'}"])
    return 0 if report.is_clean else 1
