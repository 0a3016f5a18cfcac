"""A plan: every run of a selection with its estimate, as data, a table and totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from benchsuite.api.display import Displayed, Part, counted
from benchsuite.api.fitting import Cell, Column, FittedTable
from benchsuite.api.tables import rule_name
from benchsuite.execution.machine_speed import MachineSpeed
from benchsuite.execution.planned_run import Estimate, MissingData, PlannedRun, RefusedPair, hours
from benchsuite.results.formatting import duration, memory_words, scaled, seeds_in_words
from benchsuite.specs.models.hardware import HardwareSpec


@dataclass(frozen=True, repr=False)
class Plan(Displayed):
    """Every run of a selection with its estimate. Iterate over all, refused ones too, in order of execution.

    Attributes:
        entries: every run; its ``refused`` has the reasons why it cannot be made, its ``estimate`` the work. The
            estimate is None if the run is refused, or if its work is ``unknown``, which has the reason.
        left_out: plugins and names that were left out, with the reasons.
        missing_data: data sets that are not at hand, each with the number of runs that need it.
        warnings: what is allowed in the specs and may surprise.
        works_on: tracks on which a rule works, by the rule's name; given if no run at all can be made.
        speed: speed of this machine, for hours; None if it was not asked for, or the hardware spec gives a speed.

    """

    entries: tuple[PlannedRun, ...]
    left_out: tuple[str, ...] = ()
    missing_data: tuple[MissingData, ...] = ()
    warnings: tuple[str, ...] = ()
    speed: MachineSpeed | None = None
    works_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[PlannedRun]:
        """Iterate over all runs, refused ones too."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Return the number of runs, refused ones included."""
        return len(self.entries)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs that can be made."""
        return tuple(entry for entry in self.entries if not entry.refused)

    @property
    def refused(self) -> tuple[RefusedPair, ...]:
        """Pairs of rule and network that cannot work, each once, with the reasons."""
        pairs = ((e.selected.spec.track, e.selected.spec.rule.name, e.refused) for e in self.entries if e.refused)
        return tuple(RefusedPair(*pair) for pair in dict.fromkeys(pairs))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Reasons why the work of some runs is unknown, each once."""
        return tuple(dict.fromkeys(entry.unknown for entry in self.entries if entry.unknown))

    @property
    def hardware(self) -> HardwareSpec:
        """The hardware that the runs are planned for."""
        return self.entries[0].selected.spec.hardware

    @property
    def flops(self) -> float:
        """Floating-point operations of all runs whose work is known, without evaluation."""
        return sum(entry.estimate.flops_total for entry in self.entries if entry.estimate)

    @property
    def hours(self) -> float | None:
        """Hours of all runs one after the other; None if neither the spec's speed nor the machine's is known."""
        known = [found for entry in self.entries if (found := self.hours_of(entry)) is not None]
        return None if self.hardware.sustained_tflops is None and self.speed is None else sum(known)

    def hours_of(self, entry: PlannedRun) -> float | None:
        """Return the hours of one run, by the hardware spec's speed, else by this machine's; None if not known."""
        hardware, found = entry.selected.spec.hardware, entry.estimate
        if found is None:
            return None
        if hardware.sustained_tflops is not None:
            return hours(found.flops_total, hardware.sustained_tflops, hardware.world_size)
        return None if self.speed is None else self.speed.hours(found, hardware.world_size)

    def __repr__(self) -> str:
        """Return the counts and the work in one line."""
        runs, refused = counted(len(self.runs), "run"), counted(len(self.refused), "pair")
        return f"<Plan: {runs}, {refused} refused, {scaled(self.flops, 'FLOP')}>"

    def parts(self) -> Sequence[Part]:
        """Return a table with a row per track and rule, a line for each refused pair, and the total work."""
        unknown = [f"unknown work: {reason}" for reason in self.unknown]
        left_out = [f"left out: {problem}" for problem in self.left_out]
        missing = [str(each) for each in self.missing_data]
        warned = [f"warning: {warning}" for warning in self.warnings]
        table = [self._table()] if self.runs else []
        refused = [str(pair) for pair in self.refused]
        elsewhere = [f"{rule} works on {', '.join(tracks)}" for rule, tracks in self.works_on.items()]
        return [*table, *refused, *elsewhere, *unknown, *left_out, *missing, *warned, *self._totals()]

    def _table(self) -> FittedTable:
        columns = [
            Column("track"),
            Column("tier", importance=2),
            Column("rule"),
            Column("seeds"),
            Column("parameters", importance=1, right=True),
            Column("per step", importance=0, right=True),
            Column("work", right=True),
            Column("memory", importance=3, right=True),
            Column("time", right=True),
        ]
        table = FittedTable(columns)
        rows: dict[tuple[str, str, str, Estimate | None], list[PlannedRun]] = {}
        for entry in self.runs:
            spec = entry.selected.spec
            rows.setdefault((spec.track, spec.tier, spec.rule.shown_as, entry.estimate), []).append(entry)
        for (track, tier, rule, found), entries in rows.items():
            head: list[Cell] = [track, tier, rule_name(rule), seeds_in_words(e.selected.spec.seed for e in entries)]
            if found is None:
                table.add_row(*head, "", "", Text("unknown", style="yellow"), "", "")
                continue
            time = [hours for entry in entries if (hours := self.hours_of(entry)) is not None]
            table.add_row(
                *head,
                f"{found.parameters:,}",
                scaled(found.flops_per_step, "FLOP"),
                scaled(found.flops_total * len(entries), "FLOP"),
                memory_words(found.memory_mib),
                duration(3600 * sum(time)) if time else "",
            )
        return table

    def _totals(self) -> list[str]:
        hardware, count = self.hardware, len(self.runs)
        refused = len(self.entries) - count
        unknown = sum(bool(entry.unknown) for entry in self.entries)
        without = f" without {counted(unknown, 'run')} of unknown work" if unknown else ""
        waiting = sum(each.runs for each in self.missing_data)
        data = f", {waiting:,} without data at hand" if waiting else ""
        start = f"{counted(count, 'run')}{data}, {refused} refused: about {scaled(self.flops, 'FLOP')}"
        if self.hours is None:
            known = "for hours, give the speed of the hardware (`--set hardware.sustained_tflops=0.05`)"
            return [f"{start}{without}, on {hardware.device}", known]
        devices = f"{hardware.world_size} x {hardware.shown_as}" if hardware.world_size > 1 else hardware.shown_as
        if hardware.sustained_tflops is None:
            on = f"of training steps one after the other on this machine ({hardware.device}), by its measured speed"
        else:
            on = f"on {devices}, at {hardware.sustained_tflops:g} TFLOP/s per device"
        return [f"{start} and {duration(3600 * self.hours)}{without} {on}"]

    def as_data(self) -> list[dict[str, Any]]:
        """Return the plan as plain data, as ``benchsuite plan --json`` prints it."""
        return [_as_data(entry, self.hours_of(entry)) for entry in self.entries]


def _as_data(entry: PlannedRun, hours: float | None) -> dict[str, Any]:
    found = entry.estimate
    return {
        "run_id": entry.run_id,
        "command": entry.selected.command,
        "refused": list(entry.refused),
        **({"unknown": entry.unknown} if entry.unknown else {}),
        "estimate": found
        and {
            "parameters": found.parameters,
            "flops_per_step": found.flops_per_step,
            "flops_total": found.flops_total,
            "memory_mib": round(found.memory_mib, 1),
            "hours": hours,
        },
        "spec": entry.selected.spec.model_dump(mode="json"),
    }
