"""Rows of one table: the seeds of one rule, one configuration and one hardware class put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.curves import diagnostic_curves, mean_curve, test_curve, with_times
from benchsuite.results.grouping import canonical, differing_fields, plain, short_hash
from benchsuite.results.model import BASELINE_RULE, Cost, Difference, Estimate, Gap, Published, RuleRow, SeedRun
from benchsuite.results.statistics import estimate, median, paired_difference, welch_p_value
from benchsuite.specs.models.track import RunSpec

PublishedLookup = Callable[[RunSpec, Estimate | None], Published | None]
"""From a row's conditions and its test error to the published value beside it. Keeps results free of papers."""

UNMEASURED = "completed without a test error"

TOP5_CLASSES = 11
"""Fewest classes with which the top-5 error is shown. Records have it from 6 on, but of 10 classes five are half:
whoever guesses is right every other time."""

LEAST_PROCESSOR_SHARE = 0.8
"""Of one core, that a run on the CPU must have had while it trained for its times to say anything of the rule."""

WAITED = f"they had less than {LEAST_PROCESSOR_SHARE} of a core: the machine was busy, or data came slowly"


@dataclass(frozen=True)
class Bundle:
    """The records of one row before anything is computed from them."""

    key: str
    records: tuple[RunRecord, ...]
    """By seed, then by when they ended."""

    @property
    def first(self) -> RunRecord:
        """Return a record to read from what all of them share."""
        return self.records[0]

    @cached_property
    def latest(self) -> list[RunRecord]:
        """Return the record that stands for each seed: the one that ended last."""
        return list({r.spec.seed: r for r in self.records}.values())

    @cached_property
    def counted(self) -> list[RunRecord]:
        """Return the records whose numbers may enter a mean."""
        return [r for r in self.latest if final_error(r) is not None]

    @cached_property
    def timed(self) -> list[RunRecord]:
        """Return the counted records whose times may be compared: not those that had to wait for the processor."""
        return [r for r in self.counted if not waited_for_processor(r)]

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """Return the protocol all runs of the row share."""
        return plain(self.first.spec.protocol)

    @cached_property
    def test_errors(self) -> dict[int, float]:
        """Return the final test error by seed index."""
        return {r.spec.seed: e for r in self.counted if (e := final_error(r)) is not None}

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """Return what must be equal for two costs to be comparable."""
        hardware = [r.hardware for r in self.counted] or [self.first.hardware]
        return {
            "hardware class": hardware[0].hardware_class,
            "precision": hardware[0].precision,
            "threads": sorted({h.threads for h in hardware}),
            "processes": sorted({h.world_size for h in hardware}),
            "batch size": self.first.spec.protocol.batch_size,
        }


def bundle_records(records: Sequence[RunRecord]) -> list[Bundle]:
    """Put together the records that differ in their seed only."""
    found: dict[str, list[RunRecord]] = {}
    for record in records:
        rule, hardware = record.spec.rule, record.hardware
        config, protocol = rule.model_dump(mode="json")["config"], plain(record.spec.protocol)
        key = canonical([rule.name, config, protocol, hardware.hardware_class, hardware.precision])
        found.setdefault(key, []).append(record)
    return [Bundle(key, tuple(members)) for key, members in sorted(found.items())]


def usual_protocol(bundles: Sequence[Bundle]) -> dict[str, Any]:
    """Return the protocol that most rows have; among equally frequent ones, the baseline's."""
    frequency = Counter(canonical(b.protocol) for b in bundles)
    baseline = {canonical(b.protocol) for b in bundles if b.first.spec.rule.name == BASELINE_RULE}
    return min((b.protocol for b in bundles), key=lambda p: _preference(canonical(p), frequency, baseline))


def _preference(protocol: str, frequency: Counter[str], baseline: set[str]) -> tuple[int, bool, str]:
    return -frequency[protocol], protocol not in baseline, protocol


def build_rows(bundles: Sequence[Bundle], published_for: PublishedLookup) -> list[RuleRow]:
    """Compute every row of a table; ranks are given afterwards, by ``ranking.rank_rows``."""
    usual = usual_protocol(bundles)
    labels = _labels(bundles)
    rows = [_build_row(bundle, bundles, usual, labels) for bundle in bundles]
    return [
        replace(row, published=published_for(bundle.first.spec, row.test_error))
        for row, bundle in zip(rows, bundles, strict=True)
    ]


def _build_row(bundle: Bundle, bundles: Sequence[Bundle], usual: dict[str, Any], labels: dict[str, str]) -> RuleRow:
    counted, latest, first = bundle.counted, bundle.latest, bundle.first
    top5_errors = [e for r in counted if (e := final_top5_error(r)) is not None]
    failed = Counter(r.status if r.status != "completed" else UNMEASURED for r in latest if final_error(r) is None)
    differences = _protocol_differences(bundle.protocol, usual)
    baseline = _baseline_for(bundle, bundles, usual)
    return RuleRow(
        row_id=short_hash(bundle.key),
        label=labels[bundle.key],
        rule=first.spec.rule.name,
        config=first.spec.rule.model_dump(mode="json")["config"],
        hardware_class=first.hardware.hardware_class,
        precision=first.hardware.precision,
        protocol_differences=differences,
        runs=tuple(_seed_run(r, latest, counted) for r in bundle.records),
        total=len(latest),
        completed=len(counted),
        failures=tuple(sorted(failed.items())),
        test_error=estimate(list(bundle.test_errors.values())),
        train_error=estimate([e for r in counted if (e := final_train_error(r)) is not None]),
        top5_error=estimate(top5_errors) if len(top5_errors) == len(counted) else None,
        gap=_gap(bundle, baseline, labels),
        cost=_cost(bundle, bundles, usual),
        step_time_ms=_median_of(bundle.timed, "step_time_ms"),
        images_per_s=_median_of(bundle.timed, "images_per_s"),
        peak_memory_mib=_median_of(counted, "peak_memory_mib"),
        peak_memory_source=" / ".join(sorted({r.timing.peak_memory_source for r in counted})),
        train_energy_j=_median_of(counted, "train_energy_j") if _all_have(counted, "train_energy_j") else None,
        train_energy_source=" / ".join(sorted({r.timing.train_energy_source for r in counted})),
        curve=with_times(mean_curve([test_curve(r) for r in counted]), counted),
        diagnostics=diagnostic_curves(counted),
        notes=_notes(bundle, bundles, differences),
        rule_sources=tuple(sorted({r.environment.rule_source_hash for r in bundle.records})),
    )


def final_error(record: RunRecord) -> float | None:
    """Return the test error that is the run's result, as the record has it; None unless it completed."""
    return record.final_test.error if record.final_test else None


def final_top5_error(record: RunRecord) -> float | None:
    """Return the top-5 error from the same measurement as the test error, of data with classes enough for it."""
    if record.data is None or record.data.classes < TOP5_CLASSES:
        return None
    return record.final_test.top5_error if record.final_test else None


def waited_for_processor(record: RunRecord) -> bool:
    """Whether others had the processors while a run on the CPU trained; False where that was not measured."""
    timing = record.timing
    if record.hardware.device != "cpu" or timing.train_processor_s is None:
        return False
    return timing.train_processor_s < LEAST_PROCESSOR_SHARE * timing.train_time_s


def final_train_error(record: RunRecord) -> float | None:
    """Return the error of the whole training set after the last epoch of a completed run that measured it."""
    return record.final_train.error if record.final_train else None


def _median_of(records: Sequence[RunRecord], name: str) -> float | None:
    return median([v for r in records if (v := getattr(r.timing, name)) is not None])


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


def _baseline_for(bundle: Bundle, bundles: Sequence[Bundle], usual: dict[str, Any]) -> Bundle | None:
    """The baseline's row that is most like this one: in its protocol first, then in its hardware."""
    candidates = [b for b in bundles if b.first.spec.rule.name == BASELINE_RULE and b.counted]
    here = bundle.first.hardware
    return min(
        candidates,
        key=lambda b: (
            b is not bundle,
            b.protocol != bundle.protocol,
            b.protocol != usual,
            b.first.hardware.hardware_class != here.hardware_class,
            b.first.hardware.precision != here.precision,
            b.key,
        ),
        default=None,
    )


def _gap(bundle: Bundle, baseline: Bundle | None, labels: dict[str, str]) -> Gap:
    if baseline is bundle:
        return Gap(None, "this is the baseline")
    if baseline is None:
        return Gap(None, f"no completed run of {BASELINE_RULE} in this table")
    difference = paired_difference(bundle.test_errors, baseline.test_errors)
    if difference is None:
        return Gap(None, f"no seed was completed both here and by {labels[baseline.key]}")
    remark = f"against {labels[baseline.key]}, {difference.n} paired seed{'s' if difference.n > 1 else ''}"
    if baseline.protocol != bundle.protocol:
        remark += "; its protocol differs"
    if baseline.conditions["hardware class"] != bundle.conditions["hardware class"]:
        remark += "; on another hardware class"
    p_value = welch_p_value(list(bundle.test_errors.values()), list(baseline.test_errors.values()))
    return Gap(difference, remark, p_value)


def _cost(bundle: Bundle, bundles: Sequence[Bundle], usual: dict[str, Any]) -> Cost:
    own = _median_of(bundle.timed, "step_time_ms")
    if own is None:
        waited = len(bundle.timed) < len(bundle.counted)
        return Cost(None, WAITED if waited else "no completed run with a measured step", waited)
    of_baseline = [b for b in bundles if b.first.spec.rule.name == BASELINE_RULE and b.counted]
    if not of_baseline:
        return Cost(None, f"no completed run of {BASELINE_RULE} in this table")
    baselines = [b for b in of_baseline if _median_of(b.timed, "step_time_ms")]
    if not baselines:
        waited = any(len(b.timed) < len(b.counted) for b in of_baseline)
        why = WAITED if waited else "none was measured"
        return Cost(None, f"no time of {BASELINE_RULE} to compare with: {why}", waited)
    alike = [b for b in baselines if b.conditions == bundle.conditions]
    if not alike:
        nearest = max(baselines, key=lambda b: sum(b.conditions[k] == v for k, v in bundle.conditions.items()))
        unlike = [k for k, v in bundle.conditions.items() if nearest.conditions[k] != v]
        return Cost(None, f"not comparable with {BASELINE_RULE}: another {' and another '.join(unlike)}")
    baseline = min(alike, key=lambda b: (b is not bundle, b.protocol != bundle.protocol, b.protocol != usual, b.key))
    reference = _median_of(baseline.timed, "step_time_ms") or 0.0
    remark = f"{own:.4g} ms a step against {reference:.4g} ms of {BASELINE_RULE}, medians over runs"
    steps, reference_steps = ({r.hardware.step for r in b.counted} for b in (bundle, baseline))
    if steps != reference_steps:
        remark += f"; {'/'.join(sorted(steps))} against {'/'.join(sorted(reference_steps))}"
    return Cost(own / reference, remark)


def _labels(bundles: Sequence[Bundle]) -> dict[str, str]:
    """Name each row by its rule, and by what differs where a rule has several rows."""
    labels = {}
    for bundle in bundles:
        rule = bundle.first.spec.rule.name
        namesakes = [b for b in bundles if b.first.spec.rule.name == rule]
        marks = [_mark(d) for d in _marks(bundle, namesakes)]
        labels[bundle.key] = f"{rule} ({', '.join(marks)[:90]})" if marks else rule
    repeated = Counter(labels.values())
    return {k: v if repeated[v] == 1 else f"{v} #{short_hash(k)[:4]}" for k, v in labels.items()}


def _mark(difference: Difference) -> str:
    part, _, name = difference.field.partition(".")
    return difference.value.strip('"') if part == "hardware" else f"{name}={difference.value}"


def _marks(bundle: Bundle, namesakes: Sequence[Bundle]) -> tuple[Difference, ...]:
    def identity(b: Bundle) -> dict[str, Any]:
        spec, hardware = b.first.spec, b.first.hardware
        config = spec.rule.model_dump(mode="json")["config"]
        machine = {"class": hardware.hardware_class, "precision": hardware.precision}
        return {"config": config, "hardware": machine, "protocol": b.protocol}

    return differing_fields(identity(bundle), [identity(b) for b in namesakes])


def _notes(bundle: Bundle, bundles: Sequence[Bundle], differences: Sequence[Difference]) -> tuple[str, ...]:
    own = ", ".join(f"{d.field.removeprefix('protocol.')} = {d.value} (most rows: {d.usual})" for d in differences)
    notes = [f"its own protocol: {own}"] if own else []
    frequency = Counter(len(b.latest) for b in bundles)
    usual_seeds = max(frequency, key=lambda n: (frequency[n], n))
    if len(bundle.latest) < usual_seeds:
        notes.append(f"fewer seeds than most rows, which have {usual_seeds}")
    counted = bundle.counted
    for what, values in (
        ("versions of the rule's source", {r.environment.rule_source_hash for r in counted}),
        ("versions of benchsuite", {r.environment.benchsuite for r in counted}),
        ("versions of torch", {r.environment.torch for r in counted}),
    ):
        if len(values) > 1:
            notes.append(f"its runs were made with {len(values)} {what}")
    if waited := len(counted) - len(bundle.timed):
        notes.append(f"times are without {waited} of its runs: {WAITED}")
    if replaced := len(bundle.records) - len(bundle.latest):
        notes.append(f"{replaced} earlier run{'s' if replaced > 1 else ''} of the same seeds replaced by later ones")
    return tuple(notes)
