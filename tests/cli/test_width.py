"""Oracle: a terminal of 80 columns. Names and numbers are whole, words are not broken, a shell reads the commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from benchsuite.api.command_lines import CommandLine
from benchsuite.api.display import SafeConsole, as_text, print_parts
from benchsuite.api.fitting import Column, FittedTable, Name
from benchsuite.api.live_board import LiveBoard, RunLine
from benchsuite.cli.verbs import with_whole_sentences
from benchsuite.results.formatting import memory_words, scaled, seeds_in_words

Command = Callable[..., Any]


def on_terminal(parts: Any, width: int) -> list[str]:
    """Return the lines that a terminal of this width gets."""
    stream = StringIO()
    print_parts(SafeConsole(file=stream, width=width, force_terminal=True, color_system=None, highlight=False), parts)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def results(rows: int = 1) -> FittedTable:
    columns = [Column("rule"), Column("test error %", right=True), Column("images/s", importance=1, right=True)]
    table = FittedTable([*columns, Column("remarks", importance=2, wraps=True)])
    for _ in range(rows):
        name = Name("direct_random_target_projection", "DRTP")
        table.add_row(name, "12.34 ± 0.56", "1,234,567", "one did not finish")
    return table


@pytest.mark.parametrize("width", [30, 50, 80, 120, 200])
def test_no_width_cuts_a_name_or_a_number(width: int) -> None:
    """Catches `direct_f…`, and an error that loses its last digit and still looks like an error."""
    lines = on_terminal([results()], width)
    text = "\n".join(lines)
    assert "…" not in text
    assert "12.34 ± 0.56" in text
    assert re.search(r"\b(direct_random_target_projection|DRTP)\b", lines[1])
    assert all(len(line) <= max(width, 38) for line in lines)


def test_columns_go_by_importance_and_are_named() -> None:
    """Catches a column that vanishes without a word, and a short name that nothing explains."""
    wide, narrow = on_terminal([results()], 120), on_terminal([results()], 32)
    assert "1,234,567" in wide[1]
    assert "direct_random_target_projection" in wide[1]
    assert "1,234,567" not in "\n".join(narrow)
    text = " ".join(narrow)
    assert "DRTP = direct_random_target_projection" in text
    assert "--wide also shows: images/s, remarks" in text


def test_pipes_get_every_column(command: Command) -> None:
    """Catches a table in a file that depends on the terminal of whoever wrote it."""
    header = command("plan", "digits-fc", "--rules", "backprop").out.splitlines()[0].split("  ")
    assert {"track", "tier", "rule", "seeds", "parameters", "per step", "work", "memory", "time"} <= {
        each.strip() for each in header
    }


def test_lines_break_between_words_and_keep_their_indent() -> None:
    """Catches a word cut at the edge of the terminal, and a path that a line break makes useless."""
    path = "/a/very/long/path/that/is/longer/than/forty/columns/of/a/terminal.json"
    lines = on_terminal([f"    weights and {path} and feedback weights that are drawn once and stay"], 40)
    assert path in [line.strip() for line in lines]
    assert all(line.startswith("    ") for line in lines)
    assert all(len(line) <= 40 for line in lines if path not in line)


def test_a_long_command_on_several_lines_is_the_same_command() -> None:
    """Catches a command that copied from a narrow terminal runs only up to the line break, or splits a setting."""
    command = "benchsuite run mnist-fc --set 'protocol.optimizer={kind: sgd, learning_rate: 0.1}' --rules a,b --seeds 3"
    both = f"{command} && {command}"
    lines = on_terminal([CommandLine(both, indent=2)], 50)
    assert len(lines) > 2
    assert all(line.endswith((" \\", " &&")) for line in lines[:-1])
    joined = "\n".join(lines)
    assert shlex.split(joined.replace("\\\n", " ")) == shlex.split(both)
    assert on_terminal([CommandLine("benchsuite list", 2)], 50) == ["  benchsuite list"]


def test_amounts_have_the_unit_that_fits() -> None:
    assert [scaled(value, "FLOP") for value in (8.63e6, 9.67e10, 9.9e17, 12)] == [
        "8.63 MFLOP",
        "96.7 GFLOP",
        "990 PFLOP",
        "12 FLOP",
    ]
    assert [memory_words(mib) for mib in (0.2, 900, 2048)] == ["1 MiB", "900 MiB", "2 GiB"]
    assert [seeds_in_words(seeds) for seeds in ([2, 0, 1], [7, 0, 1], [3])] == ["0-2", "0-1, 7", "3"]


def test_a_plan_has_one_line_per_track_and_rule(command: Command) -> None:
    """Catches a plan of 240 lines that are equal but for the seed, and a total that counts lines, not runs."""
    shown = command("plan", "digits-fc", "--rules", "backprop,feedback_alignment", "--seeds", "4").out.splitlines()
    rows = [line for line in shown if line.startswith("digits-fc")]
    assert [re.split(r"  +", row)[2:4] for row in rows] == [["backprop", "0-3"], ["feedback_alignment", "0-3"]]
    assert shown[-1].startswith("8 runs, 0 refused: about ")
    assert "of training steps one after the other on this machine" in shown[-1]


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_running_lines_fit_and_say_how_long_it_takes() -> None:
    """Catches a display that wraps and scrolls, a long epoch that stands still, and a time left of one run for all."""
    clock = Clock()
    board = LiveBoard(clock)
    board.total = 4
    track = "cifar10-jpeg75-conv-conventional-nonnegative"
    board.open("a", RunLine(track, "backprop", 0, epochs=10, began=0.0))
    board.open("b", RunLine("mnist-fc", "direct_feedback_alignment", 12, epochs=10, began=0.0))
    assert not any("left" in line for line in board.texts(80))
    clock.now = 10.0
    board.lines["a"].epoch, board.lines["a"].loss, board.lines["a"].error = 5, 0.123456, 0.0278
    board.lines["b"].step, board.lines["b"].steps = 117, 469
    lines = list(board.texts(80))
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith(f"{track} BP seed 0  epoch 6/10")
    assert "error 2.78 %" in lines[0]
    assert lines[1].startswith("mnist-fc DFA seed 12  epoch 1/10  step 117/469")
    assert lines[1].endswith("6.5 min left")  # a fortieth took ten seconds
    # The two that wait are taken to need the mean of these two, and two run at once.
    assert re.search(r"0 of 4 runs  6\.[89] min left$", lines[2])
    board.close("a")
    assert "1 of 4 runs" in list(board.texts(80))[-1]


def test_notebooks_and_text_get_the_same_table() -> None:
    assert "12.34 ± 0.56" in as_text([results(2)])


def test_a_name_without_room_breaks_after_a_hyphen() -> None:
    """Catches ``conv-vec`` and ``torized``: neither half can be found, or copied."""
    table = FittedTable([Column("track"), Column("work", right=True)])
    table.add_row("core-cifar10-jpeg75-conv-vectorized", "51.7 TFLOP")
    lines = [line.split()[0] for line in on_terminal([table], 32)[1:] if line]
    assert "".join(lines) == "core-cifar10-jpeg75-conv-vectorized"
    assert len(lines) > 1
    assert all(line.endswith("-") for line in lines[:-1])


def test_sentences_get_narrow_before_a_number_is_broken() -> None:
    """Catches ``(n =`` and ``2)`` on two lines beside a metric that has half of the width."""
    table = FittedTable([Column("track"), Column("metric", wraps=True), Column("measured", right=True)])
    table.add_row("mnist-fc-vectorized-nonnegative", "test error (%) after epoch 10 of all", "19.84 ± 0.13 (n = 2)")
    lines = on_terminal([table], 70)
    assert "mnist-fc-vectorized-nonnegative" in lines[1]
    assert lines[1].endswith("19.84 ± 0.13 (n = 2)")


def test_a_helps_sentences_are_whole() -> None:
    """Catches lines that end where the source's did: typer keeps each break."""
    docstring = """Search settings.

    Trials that are made are not
    made again.
    `--jobs N`: N at once.
    """
    assert with_whole_sentences(docstring) == (
        "Search settings.\n\nTrials that are made are not made again.\n`--jobs N`: N at once."
    )
