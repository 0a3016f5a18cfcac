"""Tables for the terminal, from the same rows as the leaderboard page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from benchsuite.papers.value_words import difference_words, measured_words, published_words, value_metric_words
from benchsuite.results.final import WAITED
from benchsuite.results.formatting import interval, mean_sd, number, plain_mean_sd, points, status_words
from benchsuite.results.ranking import OWN_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchsuite.papers.measured_values import MeasuredValue
    from benchsuite.records.audit import RuleAudit, TraitAudit
    from benchsuite.results.model import RuleRow, TrackTable
    from benchsuite_leaderboard.study_tables import StudyTable

AUDIT_COLOURS = {"confirmed": "green", "could_be_stronger": "yellow", "contradicted": "red", "crashed": "red"}


def results_table(table: TrackTable) -> Table:
    """Return one track's results: test error, gap to backprop, cost, and failures."""
    data = "" if table.fingerprint is None else f" · data {table.fingerprint[:8]}"
    title = f"{escape(table.track)} · {escape(table.tier)} · {escape(table.dataset_title)}{data}"
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="dim", caption_justify="left")
    shown.add_column("rule")
    top5 = ("top-5 error %",) if table.has_top5_error else ()
    with_cost = any(row.cost.ratio is not None for row in table.rows)
    cost = ("time per step",) if with_cost else ()
    for name in ("test error %", *top5, "seeds", "gap to backprop", "train error %", *cost, "images/s"):
        shown.add_column(name, justify="right")
    shown.add_column("remarks")
    for row in table.rows:
        shown.add_row(*_cells(row, with_top5=table.has_top5_error, with_cost=with_cost))
    shown.caption = "mean ± sd over seeds; gap in points, paired by seed, with its 95 % interval"
    if any(row.completed and row.images_per_s is None for row in table.rows):
        shown.caption += f"\nno speed is shown for runs that do not measure it: {WAITED}"
    if not with_cost:
        shown.caption += f"\nno cost: nothing is timed here; `benchsuite time {escape(table.track)}` does it"
    return shown


def _cells(row: RuleRow, *, with_top5: bool, with_cost: bool) -> list[str]:
    failures = ", ".join(f"{count} {status_words(status)}" for status, count in row.failures)
    mark = {"best": " [green]best[/]", "tie": " [green]tie[/]"}.get(row.versus_best or "", "")
    return [
        escape(row.label),
        mean_sd(row.test_error) + mark,
        *([mean_sd(row.top5_error)] if with_top5 else []),
        str(row.completed) if row.complete else f"{row.completed} of {row.total}",
        _gap(row),
        mean_sd(row.train_error),
        *(["" if row.cost.ratio is None else f"{row.cost.ratio:.2f}x"] if with_cost else []),
        "" if row.images_per_s is None else number(row.images_per_s),
        f"[red]{escape(failures)}[/]" if failures else "own protocol" if row.unranked_reason == OWN_PROTOCOL else "",
    ]


def _gap(row: RuleRow) -> str:
    gap = row.gap.difference
    if row.is_baseline or gap is None:
        return "–"
    within = "" if gap.low is None else f" ({interval(gap, signed=True)})"
    return points(gap.mean) + within


def published_table(values: Iterable[MeasuredValue]) -> Table:
    """Return published values beside ours, in the published unit."""
    shown = Table(title="published values and ours", title_justify="left", title_style="bold", header_style="dim")
    for name in ("rule", "track", "metric"):
        shown.add_column(name)
    for name in ("published", "measured", "difference"):
        shown.add_column(name, justify="right")
    for each in values:
        texts = (each.value.rule, each.value.track or each.value.setting, value_metric_words(each.value))
        numbers = (published_words(each.value), measured_words(each), difference_words(each))
        shown.add_row(*map(escape, (*texts, *numbers)))
    shown.caption = "difference: our mean minus the published value; errors in per cent"
    return shown


def study_table(table: StudyTable) -> Table | str:
    """Return one study's results as its kind lays them out, or one line that says why there are none."""
    summary = table.summary
    if summary is None:
        return f"no table of {table.name}: {table.problem}"
    shown = Table(
        title=escape(f"{table.name} · {table.title}"),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        caption_justify="left",
    )
    shown.add_column("rule")
    for name in (*(column.title for column in summary.columns), "seeds"):
        shown.add_column(escape(name), justify="right")
    shown.add_column("remarks")
    for row in summary.rows:
        shown.add_row(
            escape(row.label),
            *(plain_mean_sd(value) for value in row.values),
            f"{row.completed} of {row.total}" if row.failures else str(row.total),
            f"[red]{escape('; '.join(row.failures))}[/]" if row.failures else "",
        )
    shown.caption = escape(summary.note) or None
    return shown


def audit_table(done: RuleAudit) -> Table:
    """Return the table of one rule's audit: each trait, the verdict and the strongest evidence."""
    shown = Table(
        title=f"{escape(done.rule)} · {escape(done.environment.rule_distribution)}",
        title_justify="left",
        title_style="bold",
        header_style="dim",
    )
    for column in ("trait", "declared", "shown", "verdict", "largest value", "where"):
        shown.add_column(column, justify="right" if column == "largest value" else "left")
    for each in done.traits:
        words = each.verdict.replace("_", " ")
        colour = AUDIT_COLOURS.get(each.verdict, "dim")
        shown.add_row(
            each.trait, _yes_or_no(each.declared), _yes_or_no(each.shown), f"[{colour}]{words}[/]", *_evidence(each)
        )
    return shown


def precision_table(done: RuleAudit) -> Table:
    """Return the table of one rule's updates beside float64: each track and segment."""
    shown = Table(
        title=f"{escape(done.rule)} · beside float64", title_justify="left", title_style="bold", header_style="dim"
    )
    for column in ("track", "format", "segment"):
        shown.add_column(column)
    for column in ("relative difference", "angle °"):
        shown.add_column(column, justify="right")
    for found in done.precision:
        for seen in found.segments:
            colour = "red" if seen.relative_difference > found.threshold else "green"
            angle = "" if seen.angle_deg is None else f"{seen.angle_deg:.2g}"
            difference = f"[{colour}]{seen.relative_difference:.2g}[/]"
            shown.add_row(escape(found.track), escape(found.number_format), escape(seen.segment), difference, angle)
        if not found.segments:
            shown.add_row(escape(found.track), escape(found.number_format), "", "", "")
    return shown


def _evidence(audited: TraitAudit) -> tuple[str, str]:
    strongest = audited.strongest
    if strongest is None:
        return "", escape(audited.reason)
    return f"{strongest.value:.3g}", escape(f"{strongest.network}: {strongest.where}")


def _yes_or_no(value: bool | None) -> str:
    return "–" if value is None else "yes" if value else "no"
