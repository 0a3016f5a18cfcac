"""``benchsuite verify RECORD…``: check records, and optionally repeat their runs and compare the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import DataRootOption, JsonOption, print_json, print_message, show

if TYPE_CHECKING:
    from benchsuite.records.model import RunRecord


def verify(
    files: Annotated[list[Path], typer.Argument(help="Records, or folders of them.", show_default=False)],
    again: Annotated[
        bool, typer.Option("--rerun", help="Run each record's spec again, in a temporary store, and compare.")
    ] = False,
    error_tolerance: Annotated[
        float,
        typer.Option(
            "--error-tolerance",
            min=0,
            max=1,
            help="Largest accepted difference of final errors (fractions) on other hardware or versions; else 0.",
        ),
    ] = 0.01,
    data: DataRootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check records: types, names, hashes, and what follows from spec and data. Exit code 1 if anything is wrong."""
    from benchsuite.api.verification import verify

    found = {}
    is_right = True
    checks = verify(files, rerun=again, error_tolerance=error_tolerance, data_root=data, on_rerun=_announce)
    for check in checks:
        is_right = is_right and check.is_right
        found[str(check.path)] = check.as_data()
        if not as_json:
            show(check.parts())
    if as_json:
        print_json(found)
    return 0 if is_right else 1


def _announce(record: RunRecord) -> None:
    spec = record.spec
    print_message(
        f"running {spec.track} {spec.rule.shown_as} seed {spec.seed} ({spec.tier}) again; "
        f"it took {record.timing.train_time_s:.0f} s on {record.hardware.hardware_class}"
    )
