"""Findings in plain sentences, written from results alone: each is true by the intervals and verdicts it names.

A sentence counts only rows that are complete and have an interval, which takes ``MIN_SEEDS`` paired seeds, and claims
that have a verdict, which asks for as many. The readout alone is a control and never counted among the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass

from benchsuite.papers.verdict_model import VERDICT_WORDS, ClaimVerdict, Verdict
from benchsuite.results.depth_utility import OVER_READOUT
from benchsuite.results.formatting import hardware_words, interval, number, percent, points
from benchsuite.results.model import BASELINE_RULE, READOUT_RULE, RuleRow
from benchsuite_leaderboard.board import Board, BoardCell, BoardColumn
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.pages.frame import CLAIMS_ADDRESS

MOST_FINDINGS = 5
MOST_NAMES = 4
"""Rules that a sentence names; it counts the others."""
DECIDED: tuple[Verdict, ...] = ("reproduced", "contradicted")
"""Verdicts that settle a claim; an inconclusive one has too few seeds, or too much spread, to do so."""


@dataclass(frozen=True)
class Finding:
    """One to three sentences with the place of their evidence."""

    text: str
    evidence: str
    """The link's target in words."""
    address: str
    """Address of the evidence within the site."""


def find_findings(board: Board | None, claims: Sequence[ClaimVerdict], names: RuleNames) -> list[Finding]:
    """Return at most ``MOST_FINDINGS`` findings, the most general first.

    Args:
        board: the headline board; None if there is none.
        claims: verdicts from ``judge``.
        names: names of rules.

    """
    found = list(_of_board(board, names)) if board else []
    about_claims = list(_of_claims(claims))
    return found[: MOST_FINDINGS - len(about_claims)] + about_claims


def _of_board(board: Board, names: RuleNames) -> Iterator[Finding]:
    yield from _over_tasks(board, names)
    if not board.columns:
        return
    by_column = [_judged(board, place) for place in range(len(board.columns))]
    most = max(range(len(by_column)), key=lambda place: len(by_column[place]))
    task, cells = board.columns[most], by_column[most]
    if cells:
        yield from _told_apart(task, cells, names)
        yield from _behind(task, cells, names)
        yield from _without_depth(task, cells, names)
        yield from _costs(task, cells, names)
        yield from _near_chance(task, cells, names)


def _judged(board: Board, place: int) -> dict[str, BoardCell]:
    """Return the cells of one task with an interval of the gap, by rule; the controls are left out."""
    controls = {BASELINE_RULE, READOUT_RULE}
    cells = {row.rule: row.cells[place] for row in board.rows if row.rule not in controls}
    return {rule: cell for rule, cell in cells.items() if cell.versus in {"better", "tie", "behind"}}


def _over_tasks(board: Board, names: RuleNames) -> Iterator[Finding]:
    """Say which rules are never behind the baseline, and which always, over the tasks that they were judged on."""
    tasks = len(board.columns)
    if tasks < 2:
        return
    judged = [_judged(board, place) for place in range(tasks)]
    everywhere = [rule for rule in judged[0] if all(rule in cells for cells in judged)]
    if not everywhere:
        return
    never = [rule for rule in everywhere if all(cells[rule].versus != "behind" for cells in judged)]
    always = [rule for rule in everywhere if all(cells[rule].versus == "behind" for cells in judged)]
    of_all, each = ("both", "both") if tasks == 2 else (f"all {tasks}", "every one")
    text = (
        f"Of {_count(everywhere, 'rule')} with results on {of_all} tasks, {len(always)} "
        f"{_is(always)} significantly behind {BASELINE_RULE} on {each}"
    )
    text += (
        f", and {len(never)} on none: {_list(never, names)}." if never else "; every rule is behind on at least one."
    )
    yield Finding(text, "the board", "#board")


def _told_apart(task: BoardColumn, cells: dict[str, BoardCell], names: RuleNames) -> Iterator[Finding]:
    ties = [rule for rule, cell in cells.items() if cell.versus == "tie"]
    better = [rule for rule, cell in cells.items() if cell.versus == "better"]
    sentences = []
    if ties:
        # With the interval: a rule whose seeds scatter is not told apart either, however far its mean is.
        shown = [f"{names.full(rule)} ({interval(cells[rule].gap, signed=True)})" for rule in _by_gap(ties, cells)]
        told = f"{len(ties)} of {_count(cells, 'rule')} {_is(ties)} not told apart from {BASELINE_RULE}"
        sentences.append(f"On {task.title}, {told} (95 % interval of the gap, points): {_join(shown)}.")
    if better:
        shown = [f"{names.full(rule)} ({_points(cells[rule])})" for rule in _by_gap(better, cells)]
        told = f"{_is(better)} significantly better than {BASELINE_RULE}"
        sentences.append(f"On {task.title}, {_join(shown)} {told}.")
    if sentences:
        yield Finding(" ".join(sentences), "the table", _table_address(cells))


def _behind(task: BoardColumn, cells: dict[str, BoardCell], names: RuleNames) -> Iterator[Finding]:
    behind = _by_gap([rule for rule, cell in cells.items() if cell.versus == "behind"], cells)
    if not behind:
        return
    ends = dict.fromkeys((behind[0], behind[-1]))
    shown = [f"{names.full(rule)} by {_points_and_interval(cells[rule])}" for rule in ends]
    text = f"On {task.title}, {_count(behind, 'rule')} {_is(behind)} significantly behind {BASELINE_RULE}: "
    text += " at the least, ".join(shown) + (" at the most." if len(shown) > 1 else ".")
    yield Finding(text, "the table", _table_address(cells))


def _without_depth(task: BoardColumn, cells: dict[str, BoardCell], names: RuleNames) -> Iterator[Finding]:
    """Name rules whose check against the readout alone failed."""
    checks = {
        rule: check
        for rule, cell in cells.items()
        for check in (cell.row.validity if cell.row else ())
        if check.name == OVER_READOUT and check.mark in {"passed", "failed"}
    }
    failed = [rule for rule, check in checks.items() if check.mark == "failed"]
    if not failed:
        return
    least = max(checks[rule].threshold or 0.0 for rule in failed)
    by = f" by more than {points(least).lstrip('+')} points" if least else ""
    text = (
        f"On {task.title}, {len(failed)} of {_count(checks, 'rule')} {_is(failed)} not shown to gain from hidden "
        f"layers: the error of {_list(failed, names)} is not significantly below that of "
        f"training the last layer alone{by}."
    )
    yield Finding(text, "the table", _table_address(cells))


def _costs(task: BoardColumn, cells: dict[str, BoardCell], names: RuleNames) -> Iterator[Finding]:
    """Say what a step costs on the hardware class on which most rules were timed."""
    timed = [(rule, cell.row, cell.row.cost.ratio) for rule, cell in cells.items() if cell.row and cell.row.cost.ratio]
    classes = [row.hardware_class for _, row, _ in timed]
    if len(timed) < 2:
        return
    usual = max(sorted(set(classes)), key=classes.count)
    ratios = sorted((ratio, rule) for rule, row, ratio in timed if row.hardware_class == usual)
    (least, cheap), (most, dear) = ratios[0], ratios[-1]
    text = (
        f"A training step on {task.title} takes {number(least)} ({names.full(cheap)}) to {number(most)} "
        f"({names.full(dear)}) times as long as {BASELINE_RULE}'s, on {hardware_words(usual)}."
    )
    shown = {rule for rule, cell in cells.items() if cell.row}
    untimed = shown - {rule for _, rule in ratios}
    if untimed:
        text += f" {len(untimed)} of {_count(shown, 'rule')} {_is(untimed)} not timed there."
    near = [(ratio, rule) for ratio, rule in ratios if cells[rule].versus in {"tie", "better"}]
    if near:
        ratio, rule = near[0]
        among = "timed rules" if untimed else "rules"
        text += f" Of the {among} that are not behind it, {names.full(rule)} is the cheapest: {number(ratio)} times."
    yield Finding(text, "the figure", "#cost")


def _near_chance(task: BoardColumn, cells: dict[str, BoardCell], names: RuleNames) -> Iterator[Finding]:
    near = [rule for rule, cell in cells.items() if cell.near_chance]
    if near and task.chance is not None:
        shown = [f"{names.full(rule)} ({_error(cells[rule].row)} %)" for rule in near]
        text = f"On {task.title}, {_join(shown)} {'ends' if len(near) == 1 else 'end'} near chance, which is "
        yield Finding(f"{text}{percent(task.chance)} %.", "the table", _table_address(cells))


def _of_claims(claims: Iterable[ClaimVerdict]) -> Iterator[Finding]:
    claims = list(claims)
    titles = {verdict: [c.claim.shown_as for c in claims if c.verdict == verdict] for verdict in VERDICT_WORDS}
    decided = {verdict: titles[verdict] for verdict in DECIDED if titles[verdict]}
    inconclusive, against = titles["inconclusive"], titles["contradicted"]
    if not decided and not inconclusive:
        return
    counts = [f"{len(found)} {_is(found)} {VERDICT_WORDS[verdict]}" for verdict, found in decided.items()]
    text = f"Of {_count(claims, 'claim')} that papers make, these records decide {sum(map(len, decided.values()))}"
    text += f": {_join(counts)}." if counts else "."
    if inconclusive:
        text += f" {len(inconclusive)} {_is(inconclusive)} {VERDICT_WORDS['inconclusive']}."
    if against:
        text += f" Contradicted: {_join([f'“{title}”' for title in against])}."
    yield Finding(text, "the claims", CLAIMS_ADDRESS)


def _table_address(cells: dict[str, BoardCell]) -> str:
    table = next(cell.table for cell in cells.values())
    return f"tracks/{table.track}.html#table-{table.table_id}" if table else ""


def _by_gap(rules: Iterable[str], cells: dict[str, BoardCell]) -> list[str]:
    return sorted(rules, key=lambda rule: (gap.mean if (gap := cells[rule].gap) else 0.0, rule))


def _points(cell: BoardCell) -> str:
    return points(cell.gap.mean) if cell.gap else ""


def _points_and_interval(cell: BoardCell) -> str:
    return f"{_points(cell).lstrip('+')} points (95 % interval {interval(cell.gap, signed=True)})"


def _error(row: RuleRow | None) -> str:
    return percent(row.test_error.mean if row and row.test_error else None)


def _list(rules: Sequence[str], names: RuleNames) -> str:
    return _join([names.full(rule) for rule in rules])


def _join(words: Sequence[str]) -> str:
    """Return words as a list in a sentence; of many, the first few and the number of the others."""
    if len(words) > MOST_NAMES + 1:
        words = [*words[:MOST_NAMES], f"{len(words) - MOST_NAMES} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _count(members: Sized, noun: str) -> str:
    return f"{len(members)} {noun}{'' if len(members) == 1 else 's'}"


def _is(members: Sized) -> str:
    return "is" if len(members) == 1 else "are"
