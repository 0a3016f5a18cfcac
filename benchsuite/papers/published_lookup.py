"""Find the published test error for a row; the row must have exactly the published conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchsuite.papers.published import PublishedNumber
from benchsuite.results.grouping import conditions
from benchsuite.results.model import Estimate, Published
from benchsuite.results.rows import PublishedLookup
from benchsuite.specs.models.track import RunSpec

PublishedByConditions = Mapping[str, PublishedNumber]
"""The index that ``by_conditions`` returns."""

FRACTION_PER_PERCENT = 0.01


def by_conditions(published: Iterable[PublishedNumber]) -> PublishedByConditions:
    """Index published final test errors by the conditions that a run must have; of two sources, use the first."""
    found: dict[str, PublishedNumber] = {}
    for number in published:
        if number.spec and number.value.metric == "test_error_percent" and number.value.epoch == "last":
            found.setdefault(conditions(number.spec), number)
    return found


def published_beside(published: Iterable[PublishedNumber]) -> PublishedLookup:
    """Return the lookup that ``benchsuite.results.tables.summarize`` takes."""
    known = by_conditions(published)

    def lookup(spec: RunSpec, measured: Estimate | None) -> Published | None:
        return published_for(spec, measured, known)

    return lookup


def published_for(spec: RunSpec, measured: Estimate | None, published: PublishedByConditions) -> Published | None:
    """Return the published error for a row's conditions, or None.

    Args:
        spec: the spec of any of the row's runs.
        measured: the row's test error.
        published: the index of published errors.

    """
    found = published.get(conditions(spec))
    if found is None:
        return None
    value, reference = found.value, found.reference
    error = value.value * FRACTION_PER_PERCENT
    is_bound = value.relation == "at_most"
    runs = reference.runs_of(value)
    spread = "" if value.spread is None else f", {(value.spread_kind or '').replace('_', ' ')} {value.spread:g} %"
    counted = "" if runs is None else f"{runs} run{'s' if runs > 1 else ''}"
    remarks = [f"{reference.source}{spread}", counted, value.note, "assignment inferred" if value.inferred else ""]
    return Published(
        test_error=error,
        is_bound=is_bound,
        difference=None if is_bound or measured is None else measured.mean - error,
        remark="; ".join(remark for remark in remarks if remark),
    )
