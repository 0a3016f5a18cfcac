"""Oracle: records whose order, ties and holes are known, and what the front page's board must say of them."""

from __future__ import annotations

import pytest

from benchsuite.results.board_plan import BoardPlan, BoardTask
from benchsuite.results.chance import chance_error
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.board import build_board
from benchsuite_leaderboard.sparkline import HEIGHT, WIDTH, scale_of
from tests.factories import make_record, make_seeds, make_tuned_seeds, make_tuning

LOW, MIDDLE, HIGH = [0.10, 0.11, 0.12], [0.15, 0.16, 0.17], [0.30, 0.31, 0.32]
FULL = frozenset({"smoke", "quick", "paper"})


def plan_of(*tasks: BoardTask) -> BoardPlan:
    return BoardPlan("Core", "quick", 5, tasks)


def task_of(name: str, forms: dict[str, str], tiers: frozenset = FULL) -> BoardTask:
    tracks = {form: name if form == "ordinary" else f"{name}-{form}" for form in ("ordinary", "vectorized")}
    return BoardTask(name, name.capitalize(), tracks, forms, tiers)


def rows_of(board):
    return {row.rule: row for row in board.rows}


def vectorized(rule: str, errors: list[float], track: str):
    form = {"form": "vectorized", "weight_sign": "nonnegative"}
    return make_seeds(rule, errors, track=track, architecture=form)


def test_a_gap_is_to_the_baseline_in_the_same_form() -> None:
    """Catches a rule of vector units that is compared with backprop in an ordinary network, which errs less."""
    plan = plan_of(task_of("task", {"backprop": "ordinary", "fa": "ordinary", "vector": "vectorized"}))
    records = [
        *make_seeds("backprop", LOW, track="task"),
        *make_seeds("fa", MIDDLE, track="task"),
        *vectorized("backprop", HIGH, "task-vectorized"),
        *vectorized("vector", HIGH, "task-vectorized"),
        *vectorized("fa", HIGH, "task-vectorized"),
    ]
    board = build_board(summarize(records), plan)
    assert board
    rows = rows_of(board)
    assert rows["vector"].cells[0].gap.mean == 0
    assert rows["vector"].forms == ("vectorized",)
    assert rows["fa"].cells[0].gap.mean == pytest.approx(0.05)
    assert rows["backprop"].cells[0].row.test_error.mean == pytest.approx(0.11)
    assert [cell.versus for cell in rows["vector"].cells] == ["tie"]


def test_what_is_empty_says_why_and_what_is_planned_is_not_forgotten() -> None:
    """Catches "not run" where nothing could run, a task or rule missing without a word, a column of backprop alone."""
    plan = plan_of(
        task_of("one", {"backprop": "ordinary", "fa": "ordinary", "dfa": "ordinary", "gait": "ordinary"}),
        task_of("two", {"backprop": "ordinary", "fa": "ordinary", "pepita": "ordinary"}),
        task_of("three", {"backprop": "ordinary"}),
        task_of("alone", {"backprop": "ordinary", "fa": "ordinary"}),
        task_of("huge", {"backprop": "ordinary"}, frozenset({"paper"})),
    )
    records = [
        *make_seeds("backprop", LOW, track="one"),
        *make_seeds("backprop", LOW, track="two"),
        *make_seeds("backprop", LOW, track="alone"),
        *make_seeds("dfa", LOW, track="one"),
        *make_seeds("pepita", LOW, track="two"),
        make_record("fa", 0, track="one", status="diverged", reason="not finite"),
    ]
    board = build_board(summarize(records), plan)
    assert board
    cells = {rule: [cell.state for cell in row.cells] for rule, row in rows_of(board).items()}
    assert cells == {
        "backprop": ["measured", "measured"],
        "dfa": ["measured", "impossible"],
        "fa": ["failed", "not run"],
        "pepita": ["impossible", "measured"],
    }
    assert rows_of(board)["fa"].cells[0].reason == "not finite"
    assert (board.open_tasks, board.open_rules) == (("Three", "Alone"), ("gait",))


def test_on_one_table_ranks_are_the_tables() -> None:
    """Catches a front page that ranks otherwise than the page of the track that it links to."""
    records = [
        *make_seeds("backprop", LOW),
        *make_seeds("fa", [0.10, 0.12, 0.115]),
        *make_seeds("dfa", MIDDLE),
        *make_seeds("far", HIGH),
        *make_seeds("two-seeds", [0.01, 0.02]),
    ]
    (table,) = tables = summarize(records)
    board = build_board(tables, None)
    assert board
    assert {row.rule: row.rank for row in board.rows} == {row.rule: row.rank for row in table.rows}
    assert board.rows[0].rule == "backprop"
    assert board.rows[-1].rank is None


def test_over_tasks_a_rule_is_behind_those_that_win_somewhere_and_lose_nowhere() -> None:
    """Catches a rank from a mean of gaps, which one hard task decides, and a rank of a rule with a hole."""
    by_task = {
        "one": {"backprop": LOW, "a": MIDDLE, "b": HIGH, "c": MIDDLE, "hole": LOW},
        "two": {"backprop": LOW, "a": HIGH, "b": MIDDLE, "c": HIGH},
    }
    records = [
        r for track, rules in by_task.items() for rule, e in rules.items() for r in make_seeds(rule, e, track=track)
    ]
    board = build_board(summarize(records), None)
    assert board
    assert {row.rule: row.rank for row in board.rows} == {"backprop": 1, "a": 2, "b": 2, "c": 2, "hole": None}


def test_a_failed_seed_on_either_side_leaves_no_tie_and_no_verdict() -> None:
    """Catches a comparison over the seeds that happened to complete, on the baseline's side above all."""
    records = [
        *make_seeds("backprop", LOW),
        make_record("backprop", 3, status="diverged", reason="not finite"),
        *make_seeds("fa", HIGH),
    ]
    board = build_board(summarize(records), None)
    assert board
    assert rows_of(board)["fa"].cells[0].gap.n == 3
    assert rows_of(board)["fa"].cells[0].versus == ""


def test_a_tuned_baseline_is_the_baseline() -> None:
    """Catches a board on which tuned backprop, a named row, is a rule behind nothing."""
    records = [*make_tuned_seeds(make_tuning("backprop"), LOW), *make_tuned_seeds(make_tuning("fa"), HIGH)]
    board = build_board(summarize(records), None)
    assert board
    assert rows_of(board)["backprop"].cells[0].versus == "baseline"
    assert rows_of(board)["fa"].cells[0].versus == "behind"
    assert board.settings == "tuned"
    mixed = build_board(summarize([*records, *make_seeds("dfa", HIGH)]), None)
    assert mixed
    assert mixed.settings == "", "published settings among tuned ones are marked in their cells"


@pytest.mark.parametrize(("error", "near"), [(0.88, True), (0.81, True), (0.5, False)])
def test_an_error_near_that_of_guessing_is_marked(error: float, near: bool) -> None:
    """Catches a gap of 80 points that looks like a result and is a network that guesses."""
    records = [*make_seeds("backprop", LOW), *make_seeds("fa", [error] * 3)]
    board = build_board(summarize(records), None)
    assert board
    assert rows_of(board)["fa"].cells[0].near_chance == near
    assert not rows_of(board)["backprop"].cells[0].near_chance
    assert board.columns[0].chance == chance_error(10) == pytest.approx(0.9)


def test_a_curve_stays_in_its_cell_and_one_near_chance_does_not_flatten_the_others() -> None:
    """Catches curves that cover a neighbour, and a scale on which every good rule is a straight line."""
    learns = [make_record("fa", s, curve=[0.4, 0.2, 0.1 + s / 100]) for s in range(3)]
    fails = [make_record("bad", s, curve=[0.1, 0.89, 0.9]) for s in range(3)]
    (table,) = summarize([*learns, *fails])
    scale = scale_of([table])
    assert scale
    heights = {}
    for row in table.rows:
        places = [tuple(map(float, place.split())) for place in scale.path(row.curve)[1:].split("L")]
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
        heights[row.rule] = [y for _, y in places]
    assert max(heights["fa"]) - min(heights["fa"]) > HEIGHT / 2
