"""Build the rows of a table: statistics over the seeds of one rule, one configuration and one hardware class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from benchsuite.records.model import RunRecord
from benchsuite.results.baseline import gap_to_baseline, is_tuned_baseline, median_of
from benchsuite.results.costs import Timings, cost_of
from benchsuite.results.curves import diagnostic_curves, mean_curve, test_curve, with_times
from benchsuite.results.depth_utility import notes_on_angles, validity_of
from benchsuite.results.final import WAITED, final_error, final_top5_error, final_train_error
from benchsuite.results.grouping import differing_fields, short_hash
from benchsuite.results.model import BASELINE_RULE, Difference, Estimate, Published, RowComparison, RuleRow, SeedRun
from benchsuite.results.planned import planned_comparisons
from benchsuite.results.row_records import RowRecords, usual_protocol
from benchsuite.results.statistics import estimate
from benchsuite.specs.models.track import RunSpec

if TYPE_CHECKING:
    from benchsuite.results.validity import Validity
    from benchsuite.specs.models.comparison_plan import ComparisonPlan

PublishedLookup = Callable[[RunSpec, Estimate | None], Published | None]
"""Returns the published value for a row's conditions and test error. Keeps ``results`` independent of ``papers``."""

UNMEASURED = "completed without a test error"


def build_rows(
    table_records: Sequence[RowRecords],
    published_for: PublishedLookup,
    plan: ComparisonPlan,
    timings: Timings,
    validity: Validity,
) -> list[RuleRow]:
    """Compute every row of a table; ``ranking.rank_rows`` adds the ranks afterwards."""
    usual = usual_protocol(table_records)
    labels = _labels(table_records)
    rows = [_build_row(row_records, table_records, usual, labels, timings) for row_records in table_records]
    planned = planned_comparisons(table_records, usual, plan)
    return [
        replace(
            _with_comparisons(row, planned.get(row_records.key, ())),
            published=published_for(row_records.first.spec, row.test_error),
            validity=validity_of(row_records, table_records, usual, validity),
            notes=(*row.notes, *notes_on_angles(row_records, validity)),
        )
        for row, row_records in zip(rows, table_records, strict=True)
    ]


def _with_comparisons(row: RuleRow, planned: tuple[RowComparison, ...]) -> RuleRow:
    """Return the row with its planned comparisons; the gap's p-value is that of the comparison with the same row."""
    p_value = next((found.p_value for found in planned if found.against_row == row.gap.baseline_row), None)
    return replace(row, comparisons=planned, gap=replace(row.gap, p_value=p_value))


def _build_row(
    row_records: RowRecords,
    table_records: Sequence[RowRecords],
    usual: dict[str, Any],
    labels: dict[str, str],
    timings: Timings,
) -> RuleRow:
    counted, latest, first = row_records.counted, row_records.latest, row_records.first
    runs = tuple(_seed_run(record, latest, counted) for record in row_records.records)
    top5_errors = [e for r in counted if (e := final_top5_error(r)) is not None]
    failed = Counter(r.status if r.status != "completed" else UNMEASURED for r in latest if final_error(r) is None)
    differences = _protocol_differences(row_records.protocol, usual)
    return RuleRow(
        row_id=short_hash(row_records.key),
        label=labels[row_records.key],
        rule=first.spec.rule.name,
        variant=row_records.name if row_records.is_variant else "",
        tunings=row_records.tunings,
        superseded=row_records.is_superseded,
        changed_settings=row_records.changed_settings,
        config=first.spec.rule.model_dump(mode="json")["config"],
        hardware_class=first.hardware.hardware_class,
        precision=first.hardware.precision,
        protocol_differences=differences,
        runs=runs,
        total=len(latest),
        completed=len(counted),
        failures=tuple(sorted(failed.items())),
        test_error=estimate(list(row_records.test_errors.values())),
        train_error=estimate([e for r in counted if (e := final_train_error(r)) is not None]),
        top5_error=estimate(top5_errors) if len(top5_errors) == len(counted) else None,
        gap=gap_to_baseline(row_records, table_records, usual, labels),
        cost=cost_of(row_records, timings),
        images_per_s=median_of(row_records.timed, "images_per_s"),
        peak_memory_mib=median_of(counted, "peak_memory_mib"),
        peak_memory_source=" / ".join(sorted({r.timing.peak_memory_source for r in counted})),
        train_energy_j=median_of(counted, "train_energy_j") if _all_have(counted, "train_energy_j") else None,
        train_energy_source=" / ".join(sorted({r.timing.train_energy_source for r in counted})),
        curve=with_times(mean_curve([run.test_curve for run in runs if run.counted]), counted),
        diagnostics=diagnostic_curves(counted),
        notes=_notes(row_records, table_records, differences),
        rule_sources=tuple(sorted({r.environment.rule_source_hash for r in row_records.records})),
    )


def _all_have(records: Sequence[RunRecord], name: str) -> bool:
    return all(getattr(r.timing, name) is not None for r in records)


def _seed_run(record: RunRecord, latest: Sequence[RunRecord], counted: Sequence[RunRecord]) -> SeedRun:
    is_counted = any(record is r for r in counted)
    return SeedRun(
        run_id=record.run_id,
        seed=record.spec.seed,
        status=record.status,
        reason=record.reason or (UNMEASURED if record.status == "completed" and final_error(record) is None else ""),
        command=record.command,
        superseded=not any(record is r for r in latest),
        counted=is_counted,
        test_error=final_error(record),
        train_error=final_train_error(record) if is_counted else None,
        top5_error=final_top5_error(record),
        test_curve=test_curve(record),
        record=record,
    )


def _protocol_differences(protocol: dict[str, Any], usual: dict[str, Any]) -> tuple[Difference, ...]:
    here, there = {"protocol": protocol}, {"protocol": usual}
    usual_values = {d.field: d.value for d in differing_fields(there, [here])}
    return tuple(replace(d, usual=usual_values[d.field]) for d in differing_fields(here, [there]))


def _labels(table_records: Sequence[RowRecords]) -> dict[str, str]:
    """Label each row by its name; a row without one by its rule, and by the fields in which the rule's rows differ."""
    labels = {}
    for row_records in table_records:
        name = row_records.name
        # On several machines, a name has several rows; a row without a name has only its settings to tell it by.
        # Tuned rows have names that no other row has, so they are nothing to tell a row apart from.
        others = [b for b in table_records if b.is_tuned == row_records.is_tuned]
        namesakes = [b for b in others if (b.name if row_records.names else b.first.spec.rule.name) == name]
        marks = [_mark(d) for d in _marks(row_records, namesakes)]
        labels[row_records.key] = f"{name} ({', '.join(marks)[:90]})" if marks else name
    repeated = Counter(labels.values())
    return {k: v if repeated[v] == 1 else f"{v} #{short_hash(k)[:4]}" for k, v in labels.items()}


def _is_of_older_source(row_records: RowRecords, table_records: Sequence[RowRecords]) -> bool:
    """Return True if no run of a row was made with the rule's newest source: that which a run of the table had last.

    Runs of an older source may end after the first ones of a newer source, on another machine or from another checkout.
    """
    name = row_records.first.spec.rule.name
    first_seen: dict[str, datetime] = {}
    for record in (r for b in table_records if b.first.spec.rule.name == name for r in b.records):
        source = record.environment.rule_source_hash
        first_seen[source] = min(record.started_at, first_seen.get(source, record.started_at))
    newest = max(first_seen, key=lambda source: (first_seen[source], source))
    return newest not in {record.environment.rule_source_hash for record in row_records.latest}


def _mark(difference: Difference) -> str:
    part, _, name = difference.field.partition(".")
    return difference.value.strip('"') if part == "hardware" else f"{name}={difference.value}"


def _marks(row_records: RowRecords, namesakes: Sequence[RowRecords]) -> tuple[Difference, ...]:
    def identity(b: RowRecords) -> dict[str, Any]:
        spec, hardware = b.first.spec, b.first.hardware
        config = spec.rule.model_dump(mode="json")["config"]
        machine = {"class": hardware.hardware_class, "precision": hardware.precision}
        return {"config": config, "hardware": machine, "protocol": b.protocol}

    return differing_fields(identity(row_records), [identity(b) for b in namesakes])


def _notes(
    row_records: RowRecords, table_records: Sequence[RowRecords], differences: Sequence[Difference]
) -> tuple[str, ...]:
    own = ", ".join(f"{d.field.removeprefix('protocol.')} = {d.value} (most rows: {d.usual})" for d in differences)
    notes = [f"a variant of {row_records.first.spec.rule.name}"] if row_records.is_variant else []
    if others := [name for name in row_records.names if name != row_records.name]:
        notes.append(f"also named {', '.join(others)}")
    notes += [f"its own protocol: {own}"] if own else []
    frequency = Counter(len(b.latest) for b in table_records)
    usual_seeds = max(frequency, key=lambda n: (frequency[n], n))
    if len(row_records.latest) < usual_seeds:
        notes.append(f"fewer seeds than most rows, which have {usual_seeds}")
    counted = row_records.counted
    for versions, values in (
        ("versions of the rule's source", {r.environment.rule_source_hash for r in counted}),
        ("versions of benchsuite", {r.environment.benchsuite for r in counted}),
        ("versions of torch", {r.environment.torch for r in counted}),
    ):
        if len(values) > 1:
            notes.append(f"its runs were made with {len(values)} {versions}")
    searched = sorted({b.budget for b in table_records if b.budget and is_tuned_baseline(b)})
    is_rival = row_records.first.spec.rule.name != BASELINE_RULE and not row_records.is_superseded
    if is_rival and row_records.budget and searched and row_records.budget not in searched:
        notes.append(f"tuned with other effort than {BASELINE_RULE}: {row_records.budget}; {' and '.join(searched)}")
    if _is_of_older_source(row_records, table_records):
        notes.append(
            "made with an older version of the rule's source than other rows of the rule here; its command may give "
            "another result"
        )
    if waited := len(counted) - len(row_records.timed):
        notes.append(f"times are without {waited} of its runs: {WAITED}")
    if replaced := len(row_records.records) - len(row_records.latest):
        notes.append(f"{replaced} earlier run{'s' if replaced > 1 else ''} of the same seeds replaced by later ones")
    return tuple(notes)
