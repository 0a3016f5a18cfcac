"""Turn records into tables, for the site and for the results that the command prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchsuite.results.costs import Timings
from benchsuite.results.curves import segment_order
from benchsuite.results.grouping import Group, distinguishing_fields, group_records, short_hash
from benchsuite.results.model import (
    BASELINE_RULE,
    Cost,
    CurvePoint,
    Difference,
    Estimate,
    Gap,
    Published,
    RuleRow,
    SeedRun,
    SegmentCurve,
    TrackTable,
    VersusBest,
)
from benchsuite.results.planned import PlansByTrack
from benchsuite.results.ranking import rank_rows
from benchsuite.results.row_names import NamesBySettings
from benchsuite.results.row_records import RowRecords, group_rows, usual_protocol
from benchsuite.results.rows import PublishedLookup, build_rows
from benchsuite.results.superseded import apply_tunings
from benchsuite.results.validity import DEFAULT_VALIDITY, Validity
from benchsuite.specs.models.comparison_plan import ComparisonPlan

if TYPE_CHECKING:
    from benchsuite.records.model import RunRecord
    from benchsuite.records.timing import TimingRecord
    from benchsuite.records.tuning import TuningRecord
    from benchsuite.specs.models.track import RunSpec

__all__ = [
    "BASELINE_RULE",
    "Cost",
    "CurvePoint",
    "Difference",
    "Estimate",
    "Gap",
    "Published",
    "RuleRow",
    "SeedRun",
    "SegmentCurve",
    "TrackTable",
    "VersusBest",
    "summarize",
]


def nothing_published(spec: RunSpec, measured: Estimate | None) -> Published | None:
    """Return None; this is the lookup for tables without published values."""
    return None


def summarize(
    records: Iterable[RunRecord],
    published: PublishedLookup = nothing_published,
    names: NamesBySettings = MappingProxyType({}),
    plans: PlansByTrack = MappingProxyType({}),
    timings: Iterable[TimingRecord] = (),
    validity: Validity = DEFAULT_VALIDITY,
    tunings: Iterable[TuningRecord] = (),
) -> list[TrackTable]:
    """Turn run records into one table per set of comparable conditions.

    Runs share a table if their track, tier, data fingerprint, data set spec and network spec are equal. They share a
    row if their rule, its configuration, protocol, hardware class and precision are equal too. Numbers include only
    completed runs that were measured after their last epoch; every other run is listed in its row with status and
    reason. The result does not depend on the order of the records.

    Args:
        records: Runs of any tracks, tiers and machines.
        published: Finds the published value for a row; made by ``published_beside`` of ``benchsuite.papers``.
        names: Names that specs give to settings, by ``row_names.by_settings``; otherwise the records' own names.
        plans: Planned comparisons by track; a track without a plan has the derived one.
        timings: Timing records, the only source of costs.
        validity: Thresholds of the validity checks by track, and what rules claim.
        tunings: Records of tunings: they name tuned rows, say which of them replaces another, and what was searched.

    Returns:
        Tables sorted by track, tier and conditions; numbers as numbers, errors as fractions.
    """
    groups = group_records(records)
    differences = distinguishing_fields(groups)
    tunings = list(tunings)
    usable = Timings(timings, tunings)
    return [
        _build_table(
            group,
            apply_tunings(group_rows(group.records, names), tunings),
            differences[group.key],
            published,
            plans.get(group.track, ComparisonPlan()),
            usable,
            validity,
        )
        for group in groups
    ]


def _build_table(
    group: Group,
    bundles: Sequence[RowRecords],
    differences: tuple[Difference, ...],
    published: PublishedLookup,
    plan: ComparisonPlan,
    timings: Timings,
    validity: Validity,
) -> TrackTable:
    data = next((r.data for r in group.records if r.data), None)
    parameters = {r.network.parameters for r in group.records if r.network}
    return TrackTable(
        table_id=short_hash(group.key),
        track=group.track,
        tier=group.tier,
        fingerprint=group.fingerprint,
        canonical=data.canonical if data else None,
        dataset=group.dataset,
        dataset_title=min(r.spec.dataset.shown_as for r in group.records),
        architecture=group.architecture,
        architecture_title=min(r.spec.architecture.shown_as for r in group.records),
        protocol=usual_protocol(bundles),
        train_examples=data.train_examples if data else None,
        test_examples=data.test_examples if data else None,
        classes=data.classes if data else None,
        parameters=parameters.pop() if len(parameters) == 1 else None,
        segments=tuple(segment_order(group.records)),
        differences=differences,
        rows=tuple(rank_rows(build_rows(bundles, published, plan, timings, validity))),
        runs=len(group.records),
    )
