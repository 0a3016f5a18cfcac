"""Results as downloadable data: a track's table, a rule's results, the matrix and the list of tracks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchsuite.results.depth_utility import CHECKS
from benchsuite.results.formatting import interval, mean_sd, number, p_value, percent, points, status_words
from benchsuite.results.model import BASELINE_RULE, Estimate, RuleRow, TrackTable
from benchsuite.results.validity import summary_of
from benchsuite_leaderboard.downloads.formats import DataTable, Value
from benchsuite_leaderboard.matrix import Cell, Matrix

VALIDITY_NAMES = tuple(check.replace(" ", "_") for check in CHECKS)
"""A column per validity check, with its word and, in brackets, its number."""

RESULT_COLUMNS = (
    "rank",
    "rule",
    "settings",
    "status",
    "seeds",
    "completed",
    "test_error_mean",
    "test_error_sd",
    "test_error_low",
    "test_error_high",
    f"gap_to_{BASELINE_RULE}",
    "gap_low",
    "gap_high",
    "gap_pairs",
    "gap_p_holm",
    "published_test_error",
    "published_is_bound",
    "top5_error_mean",
    "top5_error_sd",
    "train_error_mean",
    "train_error_sd",
    "cost_per_step_ratio",
    "cost_low",
    "cost_high",
    "step_time_ms",
    "training_time_s",
    "images_per_s",
    "peak_memory_mib",
    "train_energy_j",
    "hardware_class",
    "precision",
    "validity",
    *(f"validity_{name}" for name in VALIDITY_NAMES),
    "run_ids",
)


def track_data(table: TrackTable) -> DataTable:
    """Return one track's table: data columns are always the same; printed top-5 errors only if there are any."""
    rows = tuple(_result(row) for row in table.rows)
    top5 = ("Top-5 error, %",) if table.has_top5_error else ()
    printed = (
        "Rule",
        "Test error, %",
        "95 % interval",
        "Seeds",
        f"Gap to {BASELINE_RULE}, points",
        "p (Holm)",
        "Published, %",
        *top5,
        "Train error, %",
        "Cost per step",
    )
    title = f"{table.track}, {table.tier} tier: {table.dataset_title}, {table.architecture_title}"
    shown = tuple(_printed_result(row, with_top5=table.has_top5_error) for row in table.rows)
    best = frozenset((number, 1) for number, row in enumerate(table.rows) if row.versus_best in {"best", "tie"})
    return DataTable(title, RESULT_COLUMNS, rows, printed, shown, best)


def table_name(table: TrackTable) -> str:
    """Return a track's name; with the beginning of the table's id if the track has several of a tier."""
    return f"{table.track} #{table.table_id[:4]}" if table.differences else table.track


def rule_data(rule: str, results: Iterable[tuple[TrackTable, RuleRow]]) -> DataTable:
    """Return one rule's results on all tracks."""
    results = list(results)
    rows = tuple((table.track, table.tier, table.table_id, *_result(row)) for table, row in results)
    with_top5 = any(row.top5_error for _, row in results)
    printed = (
        "Track",
        "Tier",
        "Settings",
        "Rank",
        "Test error, %",
        *(("Top-5 error, %",) if with_top5 else ()),
        "Seeds",
        f"Gap to {BASELINE_RULE}, points",
        "p (Holm)",
        "Cost per step",
    )
    shown = tuple(
        (
            table_name(t),
            t.tier,
            _settings(row) or "–",
            "–" if row.rank is None else str(row.rank),
            mean_sd(row.test_error),
            *((mean_sd(row.top5_error),) if with_top5 else ()),
            _seeds(row),
            *_gap(row),
            _cost(row),
        )
        for t, row in results
    )
    return DataTable(f"Results of {rule}", ("track", "tier", "table", *RESULT_COLUMNS), rows, printed, shown)


def matrix_data(matrix: Matrix) -> DataTable:
    """Return the front page's matrix: as data one row per cell, as printed one line per table."""
    columns = (
        "track",
        "tier",
        "table",
        "rule",
        "test_error_mean",
        f"gap_to_{BASELINE_RULE}",
        "seeds",
        "completed",
        "empty_because",
    )
    rows = tuple(
        (
            line.table.track,
            line.table.tier,
            line.table.table_id,
            cell.rule,
            cell.row.test_error.mean if cell.row and cell.row.test_error else None,
            cell.gap,
            cell.row.total if cell.row else None,
            cell.row.completed if cell.row else None,
            cell.empty or None,
        )
        for line in matrix.lines
        for cell in line.cells
    )
    printed = tuple((table_name(line.table), line.table.tier, *map(_printed_cell, line.cells)) for line in matrix.lines)
    best = frozenset(
        (number, place + 2)
        for number, line in enumerate(matrix.lines)
        for place, cell in enumerate(line.cells)
        if cell.row and cell.row.versus_best in {"best", "tie"}
    )
    heads = ("Track", "Tier", *matrix.rules)
    return DataTable("Test error in per cent, by track and rule", columns, rows, heads, printed, best)


def tracks_data(tables: Iterable[TrackTable]) -> DataTable:
    """Return the list of tables that have measurements."""
    tables = list(tables)
    columns = (
        "track",
        "tier",
        "table",
        "dataset",
        "architecture",
        "data_fingerprint",
        "data_canonical",
        "rows",
        "runs",
        "best_rule",
        "best_test_error",
    )
    rows = tuple(
        (
            t.track,
            t.tier,
            t.table_id,
            t.dataset_title,
            t.architecture_title,
            t.fingerprint,
            t.canonical,
            len(t.rows),
            t.runs,
            best.label if best else None,
            best.test_error.mean if best and best.test_error else None,
        )
        for t in tables
        for best in [next((row for row in t.rows if row.versus_best == "best"), None)]
    )
    printed = tuple(
        (
            table_name(t),
            t.tier,
            t.dataset_title,
            t.architecture_title,
            str(t.runs),
            best.label if best else "–",
            mean_sd(best.test_error if best else None),
        )
        for t in tables
        for best in [next((row for row in t.rows if row.versus_best == "best"), None)]
    )
    return DataTable(
        "What is measured",
        columns,
        rows,
        ("Track", "Tier", "Data", "Network", "Runs", "Best rule", "Test error, %"),
        printed,
    )


def _result(row: RuleRow) -> tuple[Value, ...]:
    gap, published = row.gap.difference, row.published
    status = "completed" if row.complete else "; ".join(f"{n} {status_words(s)}" for s, n in row.failures)
    settings = _settings(row)
    return (
        row.rank,
        row.rule,
        settings or None,
        status,
        row.total,
        row.completed,
        *_numbers(row.test_error),
        gap.mean if gap else None,
        gap.low if gap else None,
        gap.high if gap else None,
        gap.n if gap else None,
        row.gap.p_value,
        published.test_error if published else None,
        published.is_bound if published else None,
        *_numbers(row.top5_error)[:2],
        *_numbers(row.train_error)[:2],
        row.cost.ratio,
        row.cost.low,
        row.cost.high,
        row.cost.step_time_ms,
        row.cost.training_time_s,
        row.images_per_s,
        row.peak_memory_mib,
        row.train_energy_j,
        row.hardware_class,
        row.precision,
        summary_of(row.validity) if row.validity else None,
        *_validity(row),
        " ".join(run.run_id for run in row.runs),
    )


def _settings(row: RuleRow) -> str:
    """Return what tells a row from others of its rule in the same table; empty if it is the only one."""
    return row.label.removeprefix(row.rule).strip(" ,")


def _validity(row: RuleRow) -> Iterator[Value]:
    by_name = {check.name: check for check in row.validity}
    for name in CHECKS:
        check = by_name.get(name)
        value = None if check is None or check.number is None else f"{check.word} ({check.number:.4g})"
        yield value or (check.word if check else None)


def _numbers(found: Estimate | None) -> tuple[Value, Value, Value, Value]:
    return (None, None, None, None) if found is None else (found.mean, found.sd, found.low, found.high)


def _printed_result(row: RuleRow, *, with_top5: bool) -> tuple[str, ...]:
    published = row.published
    stated = "–" if published is None else f"{'≤ ' if published.is_bound else ''}{percent(published.test_error)}"
    return (
        row.label,
        mean_sd(row.test_error),
        interval(row.test_error),
        _seeds(row),
        *_gap(row),
        stated,
        *((mean_sd(row.top5_error),) if with_top5 else ()),
        mean_sd(row.train_error),
        _cost(row),
    )


def _seeds(row: RuleRow) -> str:
    return str(row.total) if row.complete else f"{row.completed} of {row.total}"


def _gap(row: RuleRow) -> tuple[str, str]:
    gap = row.gap.difference
    return ("–" if gap is None else points(gap.mean), p_value(row.gap.p_value))


def _cost(row: RuleRow) -> str:
    return "–" if row.cost.ratio is None else f"{number(row.cost.ratio)}×"


def _printed_cell(cell: Cell) -> str:
    if cell.row is None:
        return cell.empty
    return mean_sd(cell.row.test_error)
