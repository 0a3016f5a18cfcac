"""Rows of rules that were tuned more than once: which tuning a row is of, and which rows are no longer compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchsuite.records.tuning import TuningRecord
from benchsuite.results.row_records import RowRecords
from benchsuite.specs.models.tuning import config_of, tuned_title
from benchsuite.specs.search_space import is_close, same_search


def apply_tunings(rows: Sequence[RowRecords], tunings: Iterable[TuningRecord]) -> list[RowRecords]:
    """Name tuned rows by the longest tuning that chose their settings, and mark those that another row replaces.

    Args:
        rows: the rows of one table.
        tunings: all tunings at hand; a row whose tuning is not among them neither replaces nor is replaced.

    """
    found = {tuning.tuning_id: tuning for tuning in tunings}
    return mark_superseded([name_by_tunings(row, found) for row in rows], found)


def name_by_tunings(row: RowRecords, tunings: Mapping[str, TuningRecord]) -> RowRecords:
    """Return a row with all tunings that chose its settings, named by the longest one.

    A longer tuning that chooses what a shorter one had chosen needs no new runs. The runs at hand name the shorter one;
    beside rows of the longer budget, that would look like less effort.

    Args:
        row: the row.
        tunings: tunings by id.

    """
    known = [tunings[each] for each in row.tunings if each in tunings]
    if not known:
        return row
    alike = [each for each in tunings.values() if any(each is other or _chose_alike(each, other) for other in known)]
    ranked = sorted(alike, key=lambda each: each.precedence, reverse=True)
    longest = ranked[0].spec.budget.words
    names = row.names
    for recorded in known:
        ends = tuned_title("", recorded.spec.budget.words)
        names = tuple(tuned_title(n.removesuffix(ends), longest) if n.endswith(ends) else n for n in names)
    searched = frozenset(config_of(ranked[0].best.settings)) if ranked[0].best else frozenset()
    chosen_by = tuple(each.tuning_id for each in ranked)
    return replace(row, names=names, chosen_by=chosen_by, budget=longest, searched=searched)


def _chose_alike(one: TuningRecord, other: TuningRecord) -> bool:
    if one.best is None or other.best is None or one.best.settings.keys() != other.best.settings.keys():
        return False
    pairs = ((one.best.settings[field], other.best.settings[field]) for field in one.best.settings)
    return all(is_close(*pair) for pair in pairs) and same_search(one.spec, other.spec)


def mark_superseded(rows: Sequence[RowRecords], tunings: Mapping[str, TuningRecord]) -> list[RowRecords]:
    """Mark the tuned rows that another row of the same rule replaces: its tuning had more trials, or was later.

    The same order decides which tuning ``--settings tuned`` takes. A row is replaced only by one with at least as many
    completed seeds, all of which completed; so a comparison that is being made anew loses nothing meanwhile. Results
    have no part in it.

    Args:
        rows: the rows of one table, from ``name_by_tunings``.
        tunings: tunings by id.

    """
    longest = [tunings[row.chosen_by[0]] if row.chosen_by else None for row in rows]

    def replaces(place: int, other: int) -> bool:
        ours, theirs = longest[place], longest[other]
        if ours is None or theirs is None or _machine(rows[place]) != _machine(rows[other]):
            return False
        complete = len(rows[place].counted) == len(rows[place].latest) >= len(rows[other].counted)
        return complete and ours.precedence > theirs.precedence and same_search(ours.spec, theirs.spec)

    places = range(len(rows))
    return [replace(row, is_superseded=any(replaces(by, at) for by in places)) for at, row in enumerate(rows)]


def _machine(row: RowRecords) -> tuple[str, str]:
    return row.first.hardware.hardware_class, row.first.hardware.precision
