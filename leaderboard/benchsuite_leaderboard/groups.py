"""All tables of the site, grouped by data set and sorted by network family, with what a reader filters them by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchsuite.results.chance import is_near_chance
from benchsuite.results.model import TrackTable
from benchsuite.specs.models.base import TIERS
from benchsuite_leaderboard.board import baseline_of, form_of, settings_of, versus_baseline
from benchsuite_leaderboard.matrix import NOT_RUN, Cell, MatrixLine, build_matrix, compares_tuned
from benchsuite_leaderboard.names import RuleNames

FAMILIES = ("dense", "convolutional", "locally connected", "residual", "other")
"""Families of networks in the order of the page."""

OPEN_UP_TO = 16
"""Groups are open if there are no more tables than this in all."""

IMPOSSIBLE = "cannot run"
INCOMPATIBLE = "incompatible"
"""Status of a run that the rule refused."""


@dataclass(frozen=True)
class GroupCell:
    """One rule on one table, with what marks it."""

    cell: Cell
    impossible: bool
    """True if the rule cannot work in the table's network."""
    near_chance: bool
    tied: bool
    """True if the rule is not told apart from the baseline."""
    settings: str
    """``tuned`` or ``published``, if the table compares the other kind; else empty."""


@dataclass(frozen=True)
class GroupLine:
    """One table."""

    table: TrackTable
    family: str
    form: str
    settings: str
    """Kind of settings that the table compares: ``tuned`` or ``published``."""
    cells: tuple[GroupCell, ...]


@dataclass(frozen=True)
class TrackGroup:
    """The tables of one data set."""

    slug: str
    title: str
    rules: tuple[str, ...]
    """Rules with a row in one of the tables at least; a column for each."""
    lines: tuple[GroupLine, ...]

    @property
    def tracks(self) -> int:
        """Return the number of tracks."""
        return len({line.table.track for line in self.lines})


@dataclass(frozen=True)
class Facet:
    """One choice among which a reader picks: its name in the page's markup, its title, and its values."""

    name: str
    title: str
    values: tuple[str, ...]


def group_tables(tables: Sequence[TrackTable], names: RuleNames) -> list[TrackGroup]:
    """Return the tables by data set; within one, by family, track and tier.

    Args:
        tables: tables from ``summarize``.
        names: what rules say of themselves: a rule without records is impossible where its network forms do not fit.

    """
    by_data: dict[str, list[TrackTable]] = {}
    for table in tables:
        by_data.setdefault(data_of(table), []).append(table)
    return [_group(number, title, by_data[title], names) for number, title in enumerate(sorted(by_data))]


def data_of(table: TrackTable) -> str:
    """Return the data set in a few words: its title as far as the first comma, after which its preparation follows."""
    return table.dataset_title.partition(",")[0]


def facets_of(groups: Iterable[TrackGroup]) -> list[Facet]:
    """Return the facets that have more than one value."""
    groups = list(groups)
    lines = [line for group in groups for line in group.lines]
    tiers = {line.table.tier for line in lines}
    families = {line.family for line in lines}
    found = [
        Facet("data", "Data", tuple(group.title for group in groups)),
        Facet("tier", "Tier", tuple(tier for tier in TIERS if tier in tiers)),
        Facet("family", "Network", tuple(family for family in FAMILIES if family in families)),
        Facet("form", "Form", tuple(sorted({line.form for line in lines}))),
    ]
    return [facet for facet in found if len(facet.values) > 1]


def family_of(table: TrackTable) -> str:
    """Return the family of a table's network, by its kind and the kinds of its layers."""
    kind = str(table.architecture.get("kind", ""))
    if kind == "resnet" or "resnet" in str(table.architecture.get("model", "")):
        return "residual"
    layers = {str(layer.get("kind", "")) for layer in table.architecture.get("layers", ()) if isinstance(layer, dict)}
    if "locally_connected2d" in layers:
        return "locally connected"
    if "conv2d" in layers or kind == "torchvision":
        return "convolutional"
    return "dense" if "dense" in layers else "other"


def _group(number: int, title: str, tables: Sequence[TrackTable], names: RuleNames) -> TrackGroup:
    matrix = build_matrix(tables)
    lines = [_line(line, names) for line in matrix.lines]
    lines.sort(key=lambda line: (FAMILIES.index(line.family), line.table.track))
    return TrackGroup(f"data-{number}", title, matrix.rules, tuple(lines))


def _line(line: MatrixLine, names: RuleNames) -> GroupLine:
    form = form_of(line.table)
    settings = "tuned" if compares_tuned(line.table) else "published"
    cells = tuple(_cell(line.table, cell, form, settings, names) for cell in line.cells)
    return GroupLine(line.table, family_of(line.table), form, settings, cells)


def _cell(table: TrackTable, cell: Cell, form: str, settings: str, names: RuleNames) -> GroupCell:
    stated = names.stated.get(cell.rule)
    unfit = cell.empty == NOT_RUN and not cell.row_id and stated is not None and form not in (stated.forms or {form})
    if unfit and stated:
        needed = " or ".join(sorted(stated.forms))
        cell = replace(cell, empty=IMPOSSIBLE, reason=f"needs a network of form {needed}, this one is {form}")
    impossible = unfit or (cell.row is None and INCOMPATIBLE in cell.empty)
    near = cell.row is not None and is_near_chance(cell.row, table)
    tied = cell.row is not None and versus_baseline(cell.row, baseline_of(cell.row, table)) == "tie"
    own = settings_of(cell.row) if cell.row is not None else settings
    return GroupCell(cell, impossible, near, tied, "" if own == settings else own)
