"""Pages that compare rules: mean ranks over tracks, and one page per pair of rules that share a track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from jinja2 import Environment
from markupsafe import Markup

from benchsuite.results.model import RuleRow, TrackTable
from benchsuite_leaderboard.charts.comparisons import pair_chart, ranking_chart
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.critical_difference import indistinguishable_from, rank_rules
from benchsuite_leaderboard.downloads.comparisons import pair_data, rank_interval, ranking_data
from benchsuite_leaderboard.downloads.formats import KINDS, as_files
from benchsuite_leaderboard.kept_pages import KeptPages, words_in_order
from benchsuite_leaderboard.matrix import rules_of
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.pages.frame import Frame, page_name

Shown = TypeVar("Shown", RuleRow, TrackTable)


def render_comparisons(
    environment: Environment,
    frame: Frame,
    tables: Sequence[TrackTable],
    pairs: Sequence[Pair],
    names: RuleNames,
    kept: KeptPages,
) -> Iterator[tuple[str, str]]:
    """Yield the page of rankings, the page of every pair, and their files for download.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        tables: tables from ``summarize``.
        pairs: pairs from ``pairs_of``.
        names: names of rules.
        kept: pairs' pages of an earlier build, which are left out while they need no change.

    Raises:
        ValueError: if a rule's name could not safely be a file's name.

    """
    pages: dict[str, dict[str, str]] = {}
    for pair in pairs:
        for one, other in ((pair.left, pair.right), (pair.right, pair.left)):
            pages.setdefault(page_name("rule", one), {})[other] = pair.address
    rankings = rank_rules(tables)
    text = environment.get_template("compare.html.j2").render(
        frame.variables("compare", ""),
        rules=rules_of(tables),
        names=names,
        pairs=pairs,
        pages=pages,
        rankings=rankings,
        by_name={(pair.left, pair.right): pair for pair in pairs},
        like=indistinguishable_from,
        rank_interval=rank_interval,
        drawings=[ranking_chart(ranking, names) for ranking in rankings],
    )
    yield "compare.html", text
    for ranking in rankings:
        yield from as_files(ranking_data(ranking), f"downloads/ranking-{ranking.tier}")
    template = environment.get_template("pair.html.j2")
    around = frame.variables("compare", "../../")
    cells = PairCells(environment)
    stated = {rule: words_in_order(names.stated.get(rule)) for rule in rules_of(tables)}
    for pair in pairs:
        download = f"downloads/compare/{pair.left}/{pair.right}"
        words = [pair.left, pair.right, stated[pair.left], stated[pair.right]]
        results = (shown for line in pair.lines for shown in (line.table, line.left, line.right))
        if kept.keep(frame, words, results, [pair.address, *(f"{download}.{kind}" for kind in KINDS)]):
            continue
        yield (
            pair.address,
            template.render(
                around,
                pair=pair,
                names=names,
                cells=cells,
                drawing=pair_chart(pair, names),
                download=f"../../{download}",
            ),
        )
        yield from as_files(pair_data(pair), download)


class PairCells:
    """Parts of the pages of pairs, each rendered once: a row is compared with those of all other rules."""

    def __init__(self, environment: Environment) -> None:
        """Render nothing yet."""
        self._macros: Any = environment.get_template("pair_cells.html.j2").make_module()
        self._found: dict[tuple[int, str], Markup] = {}

    def place(self, table: TrackTable) -> Markup:
        """Return the link to a table."""
        return self._once(table, "place", self._macros.place)

    def error(self, row: RuleRow, is_better: bool) -> Markup:
        """Return the cell of a row's test error."""
        name = "better error" if is_better else "error"
        return self._once(row, name, lambda each: self._macros.error(each, is_better))

    def cost(self, row: RuleRow) -> Markup:
        """Return the cell of a row's cost."""
        return self._once(row, "cost", self._macros.cost)

    def _once(self, shown: Shown, name: str, render: Callable[[Shown], Markup]) -> Markup:
        key = id(shown), name  # by identity: rows and tables live as long as the build
        if key not in self._found:
            self._found[key] = render(shown)
        return self._found[key]
