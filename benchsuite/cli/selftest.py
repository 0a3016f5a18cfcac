"""``benchsuite selftest``: test what a device does with the suite's steps and runs, and measure how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchsuite.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED
from benchsuite.cli.options import JsonOption, print_json, print_message, show


def selftest(
    device: Annotated[
        Literal["gpu", "cpu"], typer.Argument(help="The first CUDA device, or the processor.", show_default=False)
    ],
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, max=600, help="Time of all parts together; never exceeded.")
    ] = 8.0,
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write the record to, such as leaderboard/hardware.")
    ] = Path("benchsuite-selftest"),
    as_json: JsonOption = False,
) -> int:
    """Test a device: capture of every rule, speed of steps and of many runs, input pipeline, energy.

    Needs no network and no data. A part that hangs or crashes leaves the others' results. Exit code 1 if one failed.
    """
    from benchsuite.api.selftest_display import parts_of
    from benchsuite.api.selftests import selftest as test

    print_message(f"self-test of the {device}, at most {minutes:g} minutes")
    found = test(device, minutes=minutes, out=out, on_part=lambda part: None if as_json else show(parts_of(part)))
    if as_json:
        print_json(found.as_data())
    else:
        show(found.remarks())
    if found.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if found.record.failed else 0
