"""Compare published values of every metric with ours, in the published unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchsuite.papers.claim_cases import Arm
from benchsuite.papers.evidence import Pool, RecordIndex, pools
from benchsuite.papers.missing import command_for
from benchsuite.papers.published import PublishedNumber
from benchsuite.papers.verdict_model import NeededRun
from benchsuite.results.final import final_error, final_train_error
from benchsuite.results.formatting import status_words
from benchsuite.results.model import Estimate
from benchsuite.results.statistics import estimate
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.claim import MINIMUM_SEEDS
from benchsuite.specs.models.reference import PublishedValue

if TYPE_CHECKING:
    from benchsuite.records.model import RunRecord

PERCENT = 100


@dataclass(frozen=True)
class MeasuredValue:
    """A published value beside ours; numbers are in the published unit, errors in per cent."""

    reference: str
    """Name of the file of published values."""
    source: str
    tier: Tier
    """Tier at which the track repeats the published conditions."""
    value: PublishedValue
    runs: int | None
    """Number of runs behind the published value; None if it is not published."""
    measured: Estimate | None
    """Our mean and spread over seeds; None without records, or if a seed failed."""
    difference: float | None
    """Our mean minus the published value; None if either is missing or the source gives a bound only."""
    run_ids: tuple[str, ...]
    remark: str = ""
    """The reason why nothing was compared, if there are runs."""
    command: str = ""
    """The command that measures it; empty if no track has the conditions."""


def compare_with_published(
    numbers: Iterable[PublishedNumber], records: Iterable[RunRecord]
) -> tuple[MeasuredValue, ...]:
    """Return every published value with ours, in the order given.

    Runs must have exactly the published conditions. Of several data fingerprints the published files' comes first, of
    several hardware classes the one with the most seeds; they are pooled only if that gives more seeds.
    """
    index = RecordIndex(records)
    return tuple(_compare(number, index) for number in numbers)


def _compare(number: PublishedNumber, index: RecordIndex) -> MeasuredValue:
    value, reference = number.value, number.reference
    runs = reference.runs_of(value)
    compared = MeasuredValue(
        reference.name,
        reference.source,
        reference.tier,
        value,
        runs,
        measured=None,
        difference=None,
        run_ids=(),
        command=_command(value, reference.tier, runs),
    )
    if number.spec is None:
        return compared
    arm = Arm(number.spec.track, value.rule, number.spec)
    pool = max(pools(index, [arm], value.metric), key=lambda found: _preference(found, arm, value), default=None)
    if pool is None or not pool.runs[arm]:
        return compared
    of_arm = pool.runs[arm].values()
    failed = Counter(status_words(record.status) for record in of_arm if record.status != "completed")
    measured = {record.run_id: found for record in of_arm if (found := measured_value(record, value)) is not None}
    if failed or not measured:
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(failed.items()))
        remark = f"of {len(of_arm)} seeds: {statuses}" if failed else "not measured"
        return _with(compared, None, tuple(record.run_id for record in of_arm), remark)
    return _with(compared, estimate(list(measured.values())), tuple(measured), "")


def _with(compared: MeasuredValue, measured: Estimate | None, run_ids: tuple[str, ...], remark: str) -> MeasuredValue:
    is_bound = compared.value.relation != "equal"
    difference = None if measured is None or is_bound else measured.mean - compared.value.value
    return replace(compared, measured=measured, difference=difference, run_ids=run_ids, remark=remark)


def _preference(pool: Pool, arm: Arm, value: PublishedValue) -> tuple[bool, int]:
    runs = pool.runs[arm].values()
    is_canonical = all(record.data is None or record.data.canonical is not False for record in runs)
    return bool(runs) and is_canonical, sum(measured_value(record, value) is not None for record in runs)


def measured_value(record: RunRecord, value: PublishedValue) -> float | None:
    """Return a run's value of a published metric, in the published unit; None unless it completed and measured it."""
    if record.status != "completed":
        return None
    if value.is_error:
        error = _error(record, value)
        return None if error is None else PERCENT * error
    values = {
        each.epoch: each.value
        for each in record.diagnostics
        if each.diagnostic == value.metric and each.segment == value.segment and each.value is not None
    }
    return values.get(max(values, default=0) if value.epoch == "last" else value.epoch)


def _error(record: RunRecord, value: PublishedValue) -> float | None:
    is_test = value.metric == "test_error_percent"
    if value.epoch == "last":
        return final_error(record) if is_test else final_train_error(record)
    of_epoch = [each.test if is_test else each.train for each in record.epochs if each.epoch == value.epoch]
    return of_epoch[0].error if of_epoch and of_epoch[0] else None


def _command(value: PublishedValue, tier: Tier, runs: int | None) -> str:
    if value.track is None:
        return ""
    seeds = max(runs or MINIMUM_SEEDS, MINIMUM_SEEDS)
    return command_for(tier, [NeededRun(value.track, value.rule, seeds - 1)])
