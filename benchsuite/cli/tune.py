"""``benchsuite tune``: the same number of trials for every rule, on validation examples."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from benchsuite.cli.next_steps import after_tuning, same_places, show_next
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
    TrackingOption,
    WideOption,
    print_json,
    print_message,
    show,
)


def tune(
    target: TargetArgument,
    rules: RulesOption = None,
    tier: TierOption = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, max=1024, help="Trials per rule; the track's budget if not given.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=1024, help="Processes on this machine that make trials.")
    ] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            envvar="BENCHSUITE_TUNING_STORAGE",
            help="Optuna's storage: sqlite:///FILE, journal:FILE or a URL; SQLite in the store if not given.",
        ),
    ] = None,
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    store: StoreOption = DEFAULT_STORE,
    data: DataRootOption = None,
    specs: SpecsOption = None,
    tracking_uri: TrackingOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Search each rule's learning rate and tunable settings with the same number of trials.

    Trials train on what the data set's `validation` leaves and never read the test set. Trials that are made are not
    made again. Several commands, on several machines, may work on one tuning with the same --store and --storage.
    `benchsuite run … --settings tuned` uses what was found.
    """
    from benchsuite.api.tuning import tune

    found = tune(
        target,
        rules=rules,
        tier=tier,
        trials=trials,
        jobs=jobs,
        storage=storage,
        set=overrides,
        hardware=hardware,
        store=store,
        data_root=data,
        specs=specs,
        tracking_uri=tracking_uri,
        progress=True,
    )
    if as_json:
        print_json(found.as_data())
    else:
        show(found.parts(), wide=wide)
        if found.records and not found.interrupted:
            places = same_places(store, specs, data, hardware)
            show_next(after_tuning(target, rules, found.records[0].spec.run.tier, overrides or (), places))
    if found.interrupted:
        print_message(f"interrupted; state is saved, continue with: {shlex.join(['benchsuite', *sys.argv[1:]])}")
        return 130
    if found.refused and not found.records and not found.unfinished:
        return 2
    return 1 if found.failed or found.unfinished else 0
