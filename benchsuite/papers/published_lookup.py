"""Find the published test error beside a row: only where the row repeats the published conditions exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchsuite.papers.published import PublishedError
from benchsuite.results.grouping import conditions
from benchsuite.results.model import Estimate, Published
from benchsuite.results.rows import PublishedLookup
from benchsuite.specs.models.track import RunSpec

PublishedByConditions = Mapping[str, PublishedError]
"""What ``by_conditions`` gives."""

FRACTION_PER_PERCENT = 0.01


def by_conditions(published: Iterable[PublishedError]) -> PublishedByConditions:
    """Return published errors by what a run must have to be compared with them; of two sources the first."""
    found: dict[str, PublishedError] = {}
    for value in published:
        found.setdefault(conditions(value.spec), value)
    return found


def published_beside(published: Iterable[PublishedError]) -> PublishedLookup:
    """Return the lookup that ``benchsuite.results.tables.summarize`` takes."""
    known = by_conditions(published)

    def lookup(spec: RunSpec, measured: Estimate | None) -> Published | None:
        return published_for(spec, measured, known)

    return lookup


def published_for(spec: RunSpec, measured: Estimate | None, published: PublishedByConditions) -> Published | None:
    """Return what is published of a row's conditions, or None.

    Args:
        spec: of any of the row's runs.
        measured: the row's test error.
        published: all there is.

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
