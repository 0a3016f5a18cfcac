"""Tables for the terminal, from the same rows as the leaderboard page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

from benchsuite.api.fitting import Cell, Column, FittedTable, Name
from benchsuite.papers.value_words import difference_words, measured_words, published_words, value_metric_words
from benchsuite.results.costs import relative_times
from benchsuite.results.final import WAITED
from benchsuite.results.formatting import duration, interval, mean_sd, number, plain_mean_sd, points, status_words
from benchsuite.results.ranking import RATE
from benchsuite.results.rule_style import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchsuite.papers.measured_values import MeasuredValue
    from benchsuite.records.audit import RuleAudit, TraitAudit
    from benchsuite.records.timing import TimingRecord
    from benchsuite.records.tuning import TuningRecord
    from benchsuite.results.model import RuleRow, TrackTable
    from benchsuite_leaderboard.study_tables import StudyTable

AUDIT_COLOURS = {"confirmed": "green", "could_be_stronger": "yellow", "contradicted": "red", "crashed": "red"}
AUDIT_ORDER = {"contradicted": 0, "crashed": 1, "could_be_stronger": 2, "confirmed": 3}
"""Order of rows: those that need a reader's attention first."""


def rule_name(label: str) -> Name:
    """Return a rule's or a row's name with its short form: ``backprop, tuned (16 trials)`` gives ``BP, tuned …``."""
    name = re.split(r", | \(", label, maxsplit=1)[0]
    listed = STYLES.get(name)
    return Name(label, label if listed is None else listed.short_name + label[len(name) :])


def results_table(table: TrackTable) -> FittedTable:
    """Return one track's results: test error, gap to backprop, cost, and failures."""
    data = "" if table.fingerprint is None else f" · data {table.fingerprint[:8]}"
    columns = [
        Column("rule"),
        Column("test error %", right=True),
        Column("", importance=9),
        *([Column("top-5 error %", importance=6, right=True)] if table.has_top5_error else []),
        Column("seeds", right=True),
        Column("gap to backprop", importance=8, right=True),
        Column("train error %", importance=2, right=True),
        Column("time per step", importance=5, right=True),
        Column("images/s", importance=1, right=True),
        Column("remarks", importance=10, wraps=True),
    ]
    shown = FittedTable(columns, f"{table.track} · {table.tier} · {table.dataset_title}{data}")
    # Beside tuned rows, whose rates are all their own, the usual rate is that of any two of them.
    with_rate = not any(row.tuned for row in table.rows)
    for row in table.rows:
        shown.add_row(*_cells(row, _own_protocol(row, with_rate=with_rate), with_top5=table.has_top5_error))
    shown.notes = [*_result_notes(table)]
    return shown


def rule_results_table(rows: Iterable[tuple[TrackTable, RuleRow]]) -> FittedTable:
    """Return one rule's results on all tracks that it has records of."""
    shown = FittedTable(
        [
            Column("track"),
            Column("tier", importance=1),
            Column("row", importance=0),
            Column("test error %", right=True),
            Column("seeds", right=True),
            Column("gap to backprop", importance=2, right=True),
        ],
        "measured",
    )
    for table, row in rows:
        seeds = str(row.completed) if row.complete else f"{row.completed} of {row.total}"
        shown.add_row(table.track, table.tier, rule_name(row.label), mean_sd(row.test_error), seeds, _gap(row))
    return shown


def _result_notes(table: TrackTable) -> Iterator[str]:
    yield "mean ± sd over seeds; gap in points, paired by seed, with its 95 % interval"
    means = [row.test_error.mean for row in table.rows if row.rank is not None and row.test_error is not None]
    if means != sorted(means):
        yield "ranked by how many rows are significantly better, not by the mean"
    if any(row.completed and row.images_per_s is None for row in table.rows):
        yield f"no speed is shown for runs that do not measure it: {WAITED}"
    if not any(row.cost.ratio is not None for row in table.rows):
        yield f"no cost: nothing is timed here; `benchsuite time {table.track}` does it"


def _cells(row: RuleRow, own_protocol: str, *, with_top5: bool) -> list[Cell]:
    failures = ", ".join(f"{count} {status_words(status)}" for status, count in row.failures)
    return [
        rule_name(row.label),
        mean_sd(row.test_error),
        Text(row.versus_best, style="green") if row.versus_best in {"best", "tie"} else "",
        *([mean_sd(row.top5_error)] if with_top5 else []),
        str(row.completed) if row.complete else f"{row.completed} of {row.total}",
        _gap(row),
        mean_sd(row.train_error),
        "" if row.cost.ratio is None else f"{row.cost.ratio:.2f}x",
        "" if row.images_per_s is None else number(row.images_per_s),
        Text(failures, style="red") if failures else own_protocol,
    ]


def _own_protocol(row: RuleRow, *, with_rate: bool) -> str:
    """Name the fields of a row's protocol that differ from the table's, as in ``own epochs``, and its rate if asked."""
    fields = [found.field.removeprefix("protocol.") for found in row.protocol_differences if found.field != RATE]
    if with_rate:
        fields += [f"rate {found.value}" for found in row.protocol_differences if found.field == RATE]
    return f"own {', '.join(fields)}" if fields else ""


def _gap(row: RuleRow) -> str:
    gap = row.gap.difference
    if row.is_baseline or gap is None:
        return "–"
    within = "" if gap.low is None else f" ({interval(gap, signed=True)})"
    return points(gap.mean) + within


def timing_table(record: TimingRecord) -> FittedTable:
    """Return the table of a track's step times, the fastest rule first."""
    columns = [
        Column("rule"),
        Column("ms per step", right=True),
        Column("range", importance=2, right=True),
        Column("x backprop", right=True),
        Column("range", importance=3, right=True),
        Column("steps", importance=1, right=True),
        Column("remarks", importance=4, wraps=True),
    ]
    shown = FittedTable(columns, f"{record.track} · {record.tier} · {record.hardware.hardware_class}")
    for row in sorted(record.rows, key=lambda row: row.median_ms or float("inf")):
        times, ratios = row.step_times_ms, relative_times(record, row)
        shown.add_row(
            rule_name(row.spec.rule.shown_as),
            number(row.median_ms),
            f"{number(min(times))} to {number(max(times))}" if times else "",
            f"{ratios.median:.2f}" if ratios else "",
            f"{ratios.low:.2f} to {ratios.high:.2f}" if ratios else "",
            str(row.steps_per_round * len(times)) if times else "",
            row.reason,
        )
    return shown


def tuning_table(records: Iterable[TuningRecord]) -> FittedTable:
    """Return the table of the best trial of each tuning."""
    columns = [
        Column("track"),
        Column("tier", importance=1),
        Column("rule"),
        Column("trials", importance=4, right=True),
        Column("diverged", importance=3, right=True),
        Column("validation error %", right=True),
        Column("training time", importance=2, right=True),
        Column("settings", wraps=True),
    ]
    shown = FittedTable(columns)
    for record in records:
        run, best = record.spec.run, record.best
        diverged = sum(trial.status == "diverged" for trial in record.trials)
        time, name = duration(record.train_time_s), rule_name(run.rule.name)
        error, settings = "none completed", ""
        if best is not None and best.validation_error is not None:
            error = f"{100 * best.validation_error:.2f}"
            settings = ", ".join(f"{name.rpartition('.')[2]} {value:g}" for name, value in best.settings.items())
        shown.add_row(run.track, run.tier, name, str(record.spec.budget.trials), str(diverged), error, time, settings)
    return shown


def published_table(values: Iterable[MeasuredValue]) -> FittedTable:
    """Return published values beside ours, in the published unit."""
    shown = FittedTable(
        [
            Column("rule"),
            Column("track"),
            Column("metric", wraps=True),
            Column("published", right=True),
            Column("measured", right=True),
            Column("difference", importance=1, right=True),
        ],
        "published values and ours",
        ["difference: our mean minus the published value; errors in per cent"],
    )
    for each in values:
        where = each.value.track or each.value.setting
        numbers = (published_words(each.value), measured_words(each), difference_words(each))
        shown.add_row(rule_name(each.value.rule), where, value_metric_words(each.value), *numbers)
    return shown


def study_table(table: StudyTable) -> FittedTable | str:
    """Return one study's results as its kind lays them out, or one line that says why there are none."""
    summary = table.summary
    if summary is None:
        return f"no table of {table.name}: {table.problem}"
    columns = [
        Column("rule"),
        *(Column(column.title, right=True) for column in summary.columns),
        Column("seeds", right=True),
        Column("remarks", importance=1, wraps=True),
    ]
    shown = FittedTable(columns, f"{table.name} · {table.title}", [summary.note] if summary.note else [])
    for row in summary.rows:
        shown.add_row(
            rule_name(row.label),
            *(plain_mean_sd(value) for value in row.values),
            f"{row.completed} of {row.total}" if row.failures else str(row.total),
            Text("; ".join(row.failures), style="red"),
        )
    return shown


def audit_table(done: RuleAudit) -> FittedTable:
    """Return the table of one rule's audit: each trait, the verdict and the strongest evidence."""
    shown = FittedTable(
        [
            Column("trait"),
            Column("declared"),
            Column("shown"),
            Column("verdict"),
            Column("largest value", importance=2, right=True),
            Column("where", importance=1, wraps=True),
        ],
        f"{done.rule} · {done.environment.rule_distribution}",
    )
    for each in sorted(done.traits, key=lambda each: AUDIT_ORDER.get(each.verdict, len(AUDIT_ORDER))):
        verdict = Text(each.verdict.replace("_", " "), style=AUDIT_COLOURS.get(each.verdict, "dim"))
        shown.add_row(each.trait, _yes_or_no(each.declared), _yes_or_no(each.shown), verdict, *_evidence(each))
    return shown


def precision_table(done: RuleAudit) -> FittedTable:
    """Return the table of one rule's updates beside float64: each track and segment."""
    shown = FittedTable(
        [
            Column("track"),
            Column("format", importance=1),
            Column("segment"),
            Column("relative difference", right=True),
            Column("angle °", importance=2, right=True),
        ],
        f"{done.rule} · beside float64",
    )
    for found in done.precision:
        for seen in found.segments:
            colour = "red" if seen.relative_difference > found.threshold else "green"
            angle = "" if seen.angle_deg is None else f"{seen.angle_deg:.2g}"
            difference = Text(f"{seen.relative_difference:.2g}", style=colour)
            shown.add_row(found.track, found.number_format, seen.segment, difference, angle)
        if not found.segments:
            shown.add_row(found.track, found.number_format, "", "", "")
    return shown


def _evidence(audited: TraitAudit) -> tuple[str, str]:
    strongest = audited.strongest
    if strongest is None:
        return "", audited.reason
    return f"{strongest.value:.3g}", f"{strongest.network}: {strongest.where}"


def _yes_or_no(value: bool | None) -> str:
    return "–" if value is None else "yes" if value else "no"
