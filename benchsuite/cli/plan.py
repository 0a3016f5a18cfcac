"""``benchsuite plan``: what would be run, what would be refused and why, and what it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.cli.options import (
    DataRootOption,
    HardwareOption,
    JsonOption,
    RulesOption,
    SeedOption,
    SeedsOption,
    SetOption,
    SpecsOption,
    TargetArgument,
    TierOption,
    data_root,
    output,
    print_json,
    resolved,
    selection,
    settle_or_imagine,
)

if TYPE_CHECKING:
    from benchsuite.execution.plan import PlannedRun


def plan(
    target: TargetArgument,
    rules: RulesOption = None,
    tier: TierOption = None,
    seeds: SeedsOption = None,
    seed: SeedOption = None,
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    data: DataRootOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show every run of a suite or track without running any: estimates, and refused pairs with their reasons."""
    from benchsuite.execution.plan import make_plan

    chosen = selection(target, rules, tier, seeds, seed, overrides, hardware)
    runs, registry = resolved(chosen, specs, settle=settle_or_imagine)
    planned = make_plan(runs, registry, data_root(data))
    if as_json:
        print_json([_as_data(p) for p in planned])
    else:
        _show(planned)
    return 0


def _as_data(planned: PlannedRun) -> dict[str, object]:
    found = planned.estimate
    return {
        "run_id": planned.run_id,
        "command": planned.selected.command,
        "refused": list(planned.refused),
        "estimate": found
        and {
            "parameters": found.parameters,
            "flops_per_step": found.flops_per_step,
            "flops_total": found.flops_total,
            "memory_mib": round(found.memory_mib, 1),
            "hours": _hours(planned),
        },
        "spec": planned.selected.spec.model_dump(mode="json"),
    }


def _show(planned: list[PlannedRun]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="dim")
    for name in ("track", "tier", "rule", "seed", "run"):
        table.add_column(name)
    for name in ("parameters", "GFLOP/step", "PFLOP in all", "memory MiB", "hours"):
        table.add_column(name, justify="right")
    for entry in planned:
        spec, found = entry.selected.spec, entry.estimate
        head = [escape(spec.track), spec.tier, escape(spec.rule.name), str(spec.seed)]
        if found is None:
            table.add_row(*head, "[yellow]refused[/]", "", "", "", "", "")
            continue
        table.add_row(
            *head,
            entry.run_id,
            f"{found.parameters:,}",
            f"{found.flops_per_step / 1e9:.3f}",
            f"{found.flops_total / 1e15:.4f}",
            f"{found.memory_mib:,.0f}",
            _shown(_hours(entry)),
        )
    console = output()
    console.print(table)
    refused = {(p.selected.spec.track, p.selected.spec.rule.name): p.refused for p in planned if p.refused}
    for (track, rule), reasons in refused.items():
        console.print(f"refused: {escape(rule)} on {escape(track)}: {escape('; '.join(reasons))}", soft_wrap=True)
    hardware = planned[0].selected.spec.hardware
    total = sum(p.estimate.flops_total for p in planned if p.estimate)
    count = sum(not p.refused for p in planned)
    console.print(f"{count} runs, {len(planned) - count} refused, about {total / 1e15:.3g} PFLOP, on {hardware.device}")
    if hardware.sustained_tflops is None:
        console.print(
            "hours: name hardware with sustained_tflops (`--set hardware.sustained_tflops=0.05`)", soft_wrap=True
        )
    else:
        in_all = sum(h for p in planned if (h := _hours(p)) is not None)
        devices = f"{hardware.world_size} x {hardware.shown_as}" if hardware.world_size > 1 else hardware.shown_as
        console.print(f"about {in_all:,.3g} hours on {devices}, at {hardware.sustained_tflops:g} TFLOP/s a device")


def _hours(planned: PlannedRun) -> float | None:
    from benchsuite.execution.estimate import hours

    hardware = planned.selected.spec.hardware
    if hardware.sustained_tflops is None or planned.estimate is None:
        return None
    return hours(planned.estimate.flops_total, hardware.sustained_tflops, hardware.world_size)


def _shown(hours: float | None) -> str:
    return "" if hours is None else f"{hours:,.3g}"
