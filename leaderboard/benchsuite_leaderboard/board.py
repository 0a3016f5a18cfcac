"""The headline board of the front page: rules down, tasks across, each cell a gap to backprop in the same form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from benchsuite.results.board_plan import FORMS, BoardPlan, BoardTask
from benchsuite.results.chance import chance_error, is_near_chance
from benchsuite.results.formatting import status_words
from benchsuite.results.model import BASELINE_RULE, Estimate, RuleRow, TrackTable
from benchsuite.results.statistics import paired_difference
from benchsuite.specs.models.base import TIERS
from benchsuite_leaderboard.matrix import main_rows, rules_of, shade

MOST_TASKS = 8
"""Most tasks of a board that no suite plans: more are easier to find in the list of all tracks."""

State = Literal["measured", "failed", "not run", "impossible"]
Settings = Literal["tuned", "published"]
Versus = Literal["baseline", "better", "tie", "behind", ""]
"""Comparison with the baseline by the paired 95 % interval; empty if there is no interval."""


@dataclass(frozen=True)
class BoardCell:
    """One rule on one task."""

    state: State
    reason: str = ""
    """Reason why there is no number."""
    table: TrackTable | None = None
    row: RuleRow | None = None
    """The row of the rule; None if it was not run."""

    @property
    def is_baseline(self) -> bool:
        """Return True for the baseline itself, whatever its settings."""
        return self.row is not None and self.row.rule == BASELINE_RULE

    @property
    def baseline(self) -> RuleRow | None:
        """Return the row that the gap is to."""
        if self.row is None or self.table is None or self.is_baseline:
            return None
        return baseline_of(self.row, self.table)

    @property
    def gap(self) -> Estimate | None:
        """Return the test error minus the baseline's in the same network form, paired by seed."""
        return self.row.gap.difference if self.row and self.row.test_error and not self.is_baseline else None

    @property
    def versus(self) -> Versus:
        """Compare with the baseline."""
        if self.row is None or self.row.test_error is None:
            return ""
        return "baseline" if self.is_baseline else versus_baseline(self.row, self.baseline)

    @property
    def shade(self) -> int | None:
        """Return the colour class of the gap, an index into ``GAP_WORDS``."""
        return None if self.gap is None else shade(self.gap.mean)

    @property
    def near_chance(self) -> bool:
        """Return True if the error is near that of guessing."""
        return self.row is not None and self.table is not None and is_near_chance(self.row, self.table)

    @property
    def form(self) -> str:
        """Return the form of the network."""
        return "" if self.table is None else form_of(self.table)

    @property
    def address(self) -> str:
        """Return the address of the row within the site; empty if there is none."""
        return "" if self.table is None or self.row is None else row_address(self.table, self.row)


@dataclass(frozen=True)
class BoardColumn:
    """One task with records."""

    name: str
    title: str
    tables: Mapping[str, TrackTable]
    """The table of each form that has records."""

    @cached_property
    def standing(self) -> Mapping[str, Mapping[str, RuleRow]]:
        """Return the row that stands for each rule, by form."""
        return {form: main_rows(table) for form, table in self.tables.items()}

    @property
    def compares(self) -> bool:
        """Return True if a rule other than the baseline has records."""
        return any(rule != BASELINE_RULE for rule in rules_of(self.tables.values()))

    @property
    def chance(self) -> float | None:
        """Return the error of guessing."""
        return chance_error(next((table.classes for table in self.tables.values()), None))


@dataclass(frozen=True)
class BoardRow:
    """One rule."""

    rule: str
    rank: int | None
    """None if the rule may not be ranked on every task of the board that its network fits."""
    cells: tuple[BoardCell, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """Return the forms of its networks, unless they are ordinary."""
        return tuple(dict.fromkeys(c.form for c in self.cells if c.row and c.form != FORMS[0]))


@dataclass(frozen=True)
class Board:
    """Rules down, tasks across, at one tier."""

    title: str
    tier: str
    columns: tuple[BoardColumn, ...]
    rows: tuple[BoardRow, ...]
    """Ranked rows first."""
    open_tasks: tuple[str, ...] = ()
    """Titles of planned tasks on which nothing can be compared at this tier yet."""
    open_rules: tuple[str, ...] = ()
    """Planned rules without records at this tier."""

    @property
    def settings(self) -> str:
        """Return ``tuned`` or ``published`` if all rows have such settings, else nothing."""
        kinds = {settings_of(c.row) for row in self.rows for c in row.cells if c.row}
        return kinds.pop() if len(kinds) == 1 else ""


def versus_baseline(row: RuleRow, baseline: RuleRow | None) -> Versus:
    """Compare a row with the baseline by the paired 95 % interval of its gap.

    Returns:
        Nothing without an interval, or if a seed of either failed: the others would be the lucky ones.
    """
    gap = row.gap.difference
    if gap is None or gap.low is None or gap.high is None:
        return ""
    if baseline is None or not (row.complete and baseline.complete):
        return ""
    return "behind" if gap.low > 0 else "better" if gap.high < 0 else "tie"


def baseline_of(row: RuleRow, table: TrackTable) -> RuleRow | None:
    """Return the row that a row's gap is to."""
    return next((other for other in table.rows if other.row_id == row.gap.baseline_row), None)


def settings_of(row: RuleRow) -> Settings:
    """Return ``tuned`` or ``published``."""
    return "tuned" if row.tuned else "published"


def form_of(table: TrackTable) -> str:
    """Return the form of a table's network."""
    return str(table.architecture.get("form") or FORMS[0])


def row_address(table: TrackTable, row: RuleRow) -> str:
    """Return the address of a row within the site."""
    return f"tracks/{table.track}.html#row-{row.row_id}"


def build_board(tables: Sequence[TrackTable], plan: BoardPlan | None) -> Board | None:
    """Build the board: of the planned tasks, or of the tables themselves if none of the plan's has records.

    It shows one tier: the plan's, or the one with most rows.

    Returns:
        None if there are no records, or more tables than a board without a plan has room for.
    """
    planned = {track for task in plan.tasks for track in task.tracks.values()} if plan else set()
    of_plan = [table for table in tables if table.track in planned]
    if plan and of_plan:
        tier = _tier_of(of_plan, plan.tier)
        wanted = [task for task in plan.tasks if tier in task.tiers]
        columns = [_column(task, of_plan, tier) for task in wanted]
        found = [(task, column) for task, column in zip(wanted, columns, strict=True) if column.tables]
        found = [(task, column) for task, column in found if column.compares] or found
        rows = [_row(rule, found) for rule in plan.rules]
        shown = [task for task, _ in found]
        opened = tuple(task.title for task in wanted if task not in shown)
        run = [row for row in rows if any(cell.row for cell in row.cells)]
        left = tuple(row.rule for row in rows if row not in run)
        return Board(plan.title, tier, tuple(c for _, c in found), _ranked(run), opened, left)
    tier = _tier_of(tables, "")
    tasks = _unplanned([table for table in tables if table.tier == tier])
    if not tasks or len(tasks) > MOST_TASKS:
        return None
    pairs = [(task, _column(task, tables, tier)) for task in tasks]
    rules = rules_of(table for _, column in pairs for table in column.tables.values())
    return Board("", tier, tuple(c for _, c in pairs), _ranked([_row(rule, pairs) for rule in rules]))


def _tier_of(tables: Iterable[TrackTable], usual: str) -> str:
    rows = Counter({str(tier): 0 for tier in reversed(TIERS)})
    for table in tables:
        rows[table.tier] += len(table.rows)
    return max(rows, key=lambda tier: (bool(rows[tier]), tier == usual, rows[tier]))


def _unplanned(tables: Iterable[TrackTable]) -> list[BoardTask]:
    """Return a task for each track; whether a rule without a row fits its network is not known here."""
    tables = list(tables)
    by_track: dict[str, list[TrackTable]] = {}
    for table in tables:
        by_track.setdefault(table.track, []).append(table)
    found = []
    for track, members in sorted(by_track.items()):
        form = form_of(members[0])
        rules = dict.fromkeys(rules_of(tables), form)
        found.append(BoardTask(track, track, {form: track}, rules, frozenset(TIERS)))
    return found


def _column(task: BoardTask, tables: Iterable[TrackTable], tier: str) -> BoardColumn:
    """Return a task with the table of each form; of several, the one with published data, then most rows."""
    of_tier = sorted(
        (t for t in tables if t.tier == tier), key=lambda t: (t.canonical is False, -len(t.rows), t.table_id)
    )
    found = {form: next((t for t in of_tier if t.track == track), None) for form, track in task.tracks.items()}
    return BoardColumn(task.name, task.title, {form: table for form, table in found.items() if table})


def _row(rule: str, columns: Iterable[tuple[BoardTask, BoardColumn]]) -> BoardRow:
    return BoardRow(rule, None, tuple(_cell(rule, task, column) for task, column in columns))


def _cell(rule: str, task: BoardTask, column: BoardColumn) -> BoardCell:
    form = task.forms.get(rule)
    if form is None:
        return BoardCell("impossible", "it cannot work in this network, in any form")
    if rule == BASELINE_RULE:
        # It stands for itself in every form; its own error is that of the first form with records.
        form = next((f for f in FORMS if f in column.tables), form)
    table = column.tables.get(form)
    row = column.standing[form].get(rule) if table else None
    if table is None or row is None:
        return BoardCell("not run")
    if row.test_error is None:
        incompatible = any(status == "incompatible" for status, _ in row.failures)
        words = ", ".join(status_words(status) for status, _ in row.failures) or "not run"
        reason = next((run.reason for run in row.runs if run.reason and not run.superseded), "")
        return BoardCell("impossible" if incompatible else "failed", reason or words, table, row)
    return BoardCell("measured", "", table, row)


def _ranked(rows: Sequence[BoardRow]) -> tuple[BoardRow, ...]:
    """Rank rows and sort them: ranked rows by rank and mean gap, the others by their number of results.

    A rule is ranked if its row is ranked in the table of every task that it fits; a missing task is never filled in. On
    one table, ranks are the table's. Else the rank is one more than the number of rules that are significantly better
    on some task and significantly worse on none.
    """
    able = {row.rule: row for row in rows if _may_be_ranked(row)}
    tables = {cell.table.table_id for row in able.values() for cell in row.cells if cell.table}
    if len(tables) == 1:
        ranks = {rule: next(c.row.rank for c in row.cells if c.row) for rule, row in able.items()}
    else:
        gaps = {rule: [_gaps(cell) for cell in row.cells] for rule, row in able.items()}
        ranks = {rule: 1 + sum(_is_better(gaps[other], gaps[rule]) for other in able) for rule in able}
    ranked = [BoardRow(row.rule, ranks.get(row.rule), row.cells) for row in rows]
    return tuple(sorted(ranked, key=_order))


def _may_be_ranked(row: BoardRow) -> bool:
    possible = [cell for cell in row.cells if cell.state != "impossible"]
    return bool(possible) and all(
        c.state == "measured" and c.row is not None and c.row.rank is not None and _gaps(c) for c in possible
    )


def _gaps(cell: BoardCell) -> dict[int, float]:
    """Return the test error minus the baseline's by seed; nothing without a baseline."""
    if cell.row is None:
        return {}
    if cell.is_baseline:
        return dict.fromkeys(cell.row.test_errors, 0.0)
    reference = cell.baseline.test_errors if cell.baseline else {}
    return {seed: error - reference[seed] for seed, error in cell.row.test_errors.items() if seed in reference}


def _is_better(one: Sequence[Mapping[int, float]], other: Sequence[Mapping[int, float]]) -> bool:
    """Return True if a rule is significantly better than another on some task and significantly worse on none."""
    found = [paired_difference(a, b) for a, b in zip(one, other, strict=True) if a and b]
    known = [(d.low, d.high) for d in found if d is not None and d.low is not None and d.high is not None]
    return any(high < 0 for _, high in known) and not any(low > 0 for low, _ in known)


def _order(row: BoardRow) -> tuple[int, int, float, bool, str]:
    measured = [cell for cell in row.cells if cell.row and cell.row.test_error]
    gaps = [cell.gap.mean for cell in measured if cell.gap]
    mean = sum(gaps) / len(gaps) if gaps else 0.0
    return row.rank or len(row.cells) * 10_000, -len(measured), mean, row.rule != BASELINE_RULE, row.rule
