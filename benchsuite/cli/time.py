"""``benchsuite time``: measure the step time of a track's rules in turns, on one idle device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.options import (
    DEFAULT_STORE,
    DataRootOption,
    HardwareOption,
    JsonOption,
    RulesOption,
    SetOption,
    SpecsOption,
    StoreOption,
    TargetArgument,
    TierOption,
    WideOption,
    print_json,
    print_message,
    show,
)


def time(
    track: TargetArgument,
    rules: RulesOption = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.001, max=600, help="Time of the measurement, without setting up.")
    ] = 3.0,
    tier: TierOption = None,
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Measure on a busy machine too; such times are never shown as costs.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to, such as leaderboard/timing; else the store.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    data: DataRootOption = None,
    specs: SpecsOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Measure the time per training step of a track's rules, in turns on one idle device: what costs are taken from.

    Refuses a busy machine. Exit code 1 if a rule could not be timed.
    """
    from benchsuite.api.timings import time_track

    found = time_track(
        track,
        rules=rules,
        minutes=minutes,
        tier=tier,
        set=overrides,
        hardware=hardware,
        anyway=anyway,
        out=out,
        store=store,
        data_root=data,
        specs=specs,
        on_round=lambda number: print_message(f"round {number}"),
    )
    if as_json:
        print_json(found.as_data())
    else:
        show(found.parts(), wide=wide)
    return 1 if any(row.reason for row in found.record.rows) else 0
