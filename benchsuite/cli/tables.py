"""Results in the terminal, from the same rows that the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from benchsuite_leaderboard.formatting import interval, mean_sd, number, points, status_words

if TYPE_CHECKING:
    from benchsuite_leaderboard.model import RuleRow, TrackTable


def results_table(table: TrackTable) -> Table:
    """Return one track's results: test error, gap to backprop, cost, and what failed."""
    data = "" if table.fingerprint is None else f" · data {table.fingerprint[:8]}"
    title = f"{escape(table.track)} · {escape(table.tier)} · {escape(table.dataset_title)}{data}"
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="dim", caption_justify="left")
    shown.add_column("rule")
    for name in ("test error %", "seeds", "gap to backprop", "train error %", "time per step", "images/s"):
        shown.add_column(name, justify="right")
    shown.add_column("remarks")
    for row in table.rows:
        shown.add_row(*_cells(row))
    shown.caption = "mean ± sd over seeds; gap in points, paired by seed, with its 95 % interval"
    return shown


def _cells(row: RuleRow) -> list[str]:
    failures = ", ".join(f"{count} {status_words(status)}" for status, count in row.failures)
    mark = {"best": " [green]best[/]", "tie": " [green]tie[/]"}.get(row.standing or "", "")
    return [
        escape(row.label),
        mean_sd(row.test_error) + mark,
        str(row.completed) if row.complete else f"{row.completed} of {row.total}",
        _gap(row),
        mean_sd(row.train_error),
        "" if row.cost.ratio is None else f"{row.cost.ratio:.2f}x",
        "" if row.images_per_s is None else number(row.images_per_s),
        f"[red]{escape(failures)}[/]" if failures else "",
    ]


def _gap(row: RuleRow) -> str:
    gap = row.gap.difference
    if row.is_baseline or gap is None:
        return "–"
    within = "" if gap.low is None else f" ({interval(gap, signed=True)})"
    return points(gap.mean) + within
