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

    checks = []
    for check in verify(files, rerun=again, error_tolerance=error_tolerance, data_root=data, on_rerun=_announce):
        checks.append(check)
        # A file that is right is worth a line only if its run was repeated, which takes minutes.
        if not as_json and (again or not check.is_right):
            show(check.parts())
    wrong = sum(not check.is_right for check in checks)
    if as_json:
        print_json({str(check.path): check.as_data() for check in checks})
    else:
        count = f"{len(checks)} record{'' if len(checks) == 1 else 's'}"
        show([f"{count}: {wrong} wrong, {len(checks) - wrong} right" if wrong else f"{count}: all right"])
    return 1 if wrong else 0


def _announce(record: RunRecord) -> None:
    spec = record.spec
    print_message(
        f"running {spec.track} {spec.rule.shown_as} seed {spec.seed} ({spec.tier}) again; "
        f"it took {record.timing.train_time_s:.0f} s on {record.hardware.hardware_class}"
    )
