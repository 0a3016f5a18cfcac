"""Parts of run pages that many runs of a table share, each rendered once: links between runs, and rows' verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from jinja2 import Environment
from markupsafe import Markup

from benchsuite.results.model import RuleRow, TrackTable


class TableParts:
    """The shared parts of the pages of one table's runs."""

    def __init__(self, environment: Environment, table: TrackTable) -> None:
        """Render nothing yet.

        Args:
            environment: Jinja environment of the site's templates.
            table: the table.

        """
        self._environment, self._table = environment, table
        self._verdicts: dict[str, Markup] = {}

    def other_seeds(self, row: RuleRow, seed: int) -> Markup:
        """Return links to the counted and failed runs of a row with other seeds; empty if there are none."""
        return _in_a_line(link for other, link in self._by_row[row.row_id] if other != seed)

    def other_rules(self, row: RuleRow, seed: int) -> Markup:
        """Return links to the other rows' runs with the same seed; they began from the same weights and order."""
        return _in_a_line(link for row_id, link in self._by_seed.get(seed, ()) if row_id != row.row_id)

    def verdicts(self, row: RuleRow) -> Markup:
        """Return the table of a row's validity checks."""
        if row.row_id not in self._verdicts:
            module = self._environment.get_template("validity.html.j2").make_module()
            self._verdicts[row.row_id] = module.validity_table(row.validity, row.label)  # type: ignore[attr-defined]
        return self._verdicts[row.row_id]

    @cached_property
    def _by_row(self) -> dict[str, list[tuple[int, Markup]]]:
        """Return each row's links, with their seeds."""
        link = self._environment.get_template("neighbours.html.j2").make_module().seed_link  # type: ignore[attr-defined]
        return {
            row.row_id: [(run.seed, link(run)) for run in row.runs if not run.superseded] for row in self._table.rows
        }

    @cached_property
    def _by_seed(self) -> dict[int, list[tuple[str, Markup]]]:
        """Return each seed's links, with the ids of their rows."""
        link = self._environment.get_template("neighbours.html.j2").make_module().rule_link  # type: ignore[attr-defined]
        found: dict[int, list[tuple[str, Markup]]] = {}
        for row in self._table.rows:
            for run in row.runs:
                if not run.superseded:
                    found.setdefault(run.seed, []).append((row.row_id, link(row, run)))
        return found


def _in_a_line(links: Iterable[Markup]) -> Markup:
    return Markup(" · ".join(links))  # noqa: S704 - each is escaped by its template
