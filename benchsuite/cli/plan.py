"""``benchsuite plan``: show the runs, the refused pairs with reasons, and the estimated work, without running."""

from __future__ import annotations

from benchsuite.cli.options import (
    DEFAULT_STORE,
    DataRootOption,
    HardwareOption,
    JsonOption,
    RulesOption,
    SeedOption,
    SeedsOption,
    SetOption,
    SettingsOption,
    SpecsOption,
    StoreOption,
    TargetArgument,
    TierOption,
    WideOption,
    chosen_seeds,
    print_json,
    print_message,
    show,
)
from benchsuite.process import garbage_kept


@garbage_kept()
def plan(
    target: TargetArgument,
    rules: RulesOption = None,
    tier: TierOption = None,
    seeds: SeedsOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = "published",
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    store: StoreOption = DEFAULT_STORE,
    data: DataRootOption = None,
    specs: SpecsOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Show what a suite or a track would run, with its work and hours on this machine, and what is refused and why.

    The speed of this machine is measured once, which takes a second.
    """
    from benchsuite.api.plans import plan

    found = plan(
        target,
        rules=rules,
        seeds=chosen_seeds(seeds, seed),
        tier=tier,
        settings=settings,
        set=overrides,
        hardware=hardware,
        store=store,
        data_root=data,
        specs=specs,
        measure_speed=True,
    )
    if as_json:
        print_json(found.as_data())
        for problem in (*found.unknown, *found.left_out, *map(str, found.missing_data), *found.warnings):
            print_message(problem)
    else:
        show(found.parts(), wide=wide)
    return 0
