"""Results in the terminal, from the same rows that the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

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
    failures = [f"{count} {status.replace('_', ' ')}" for status, count in row.failures]
    mark = {"best": " [green]best[/]", "tie": " [green]tie[/]"}.get(row.standing or "", "")
    cost = "" if row.cost.ratio is None else f"{row.cost.ratio:.2f}x"
    speed = "" if row.images_per_s is None else f"{row.images_per_s:,.0f}"
    seeds = str(row.completed) if row.complete else f"{row.completed} of {row.total}"
    return [
        escape(row.label), _percent(row.test_error) + mark, seeds, _gap(row), _percent(row.train_error), cost, speed,
        "[red]" + escape(", ".join(failures)) + "[/]" if failures else "",
    ]  # fmt: skip


def _percent(estimate: object) -> str:
    mean, sd = getattr(estimate, "mean", None), getattr(estimate, "sd", None)
    if mean is None:
        return "—"
    return f"{100 * mean:.2f}" + (f" ± {100 * sd:.2f}" if sd is not None else "")


def _gap(row: RuleRow) -> str:
    gap = row.gap.difference
    if row.is_baseline or gap is None:
        return "—"
    interval = "" if gap.low is None or gap.high is None else f" [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]"
    return f"{100 * gap.mean:+.2f}" + interval.replace("[", r"\[")
