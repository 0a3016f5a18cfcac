"""Oracle: the commands' own help and choices, typed wrongly on purpose."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from benchsuite.cli.main import EXTEND, LOOK, RUN, SHARE, app
from benchsuite.cli.verbs import with_nearest_choice

Command = Callable[..., Any]


def verbs(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every verb with its words."""
    for name, each in getattr(command, "commands", {}).items():
        yield from verbs(each, *path, name)
    if not hasattr(command, "commands"):
        yield path, command


VERBS = dict(verbs(typer.main.get_command(app)))


def test_verbs_are_in_groups_and_flags_have_no_type(command: Command) -> None:
    """Catches a new verb outside the groups, and the type of a flag, which says nothing."""
    shown = command("--help").out
    places = [shown.index(f" {panel} ") for panel in (RUN, LOOK, SHARE, EXTEND)]
    assert places == sorted(places)
    assert " Commands " not in shown
    assert "bool>" not in shown + command("run", "--help").out


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_has_two_examples_that_parse(words: tuple[str, ...]) -> None:
    """Catches an example with an option that was renamed, or that lacks an argument."""
    lines = [line.strip().replace("\\[", "[") for line in (VERBS[words].epilog or "").splitlines()]
    found = [line for line in lines if line.startswith("benchsuite ")]
    assert len(found) == 2
    for line in found:
        typed = tuple(shlex.split(line)[1:])
        of = next(path for path in VERBS if typed[: len(path)] == path)
        VERBS[of].make_context(of[-1], [*typed[len(of) :]])


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("list", "rulez"), "rules"),
        (("plan", "digits-fc", "--tier", "fast"), "quick"),
        (("schema", "trak"), "track"),
        (("run", "digits-fc", "--executor", "locall"), "local"),
        (("run", "digits-fc", "--settings", "tunde"), "tuned"),
        (("selftest", "gpuu"), "gpu"),
        (("new", "rule", "mine", "--mechanism", "feedbak"), "feedback"),
        (("plan", "digit-fc"), "digits-fc"),
        (("plan", "digits-fc", "--rules", "backprob"), "backprop"),
        (("plan", "digits-fc", "--hardware", "cpuu"), "cpu"),
        (("info", "gevbb"), "gevb"),
        (("data", "fetch", "mnits"), "mnist"),
        (("audit", "backprob"), "backprop"),
        (("rnu",), "run"),
    ],
)
def test_a_misspelt_choice_is_answered_with_the_nearest(
    command: Command, arguments: tuple[str, ...], meant: str
) -> None:
    """Catches a closed choice that only says no."""
    done = command(*arguments)
    assert done.code in {2, 5}
    said = " ".join(done.err.replace("│", " ").split())
    assert f"id you mean '{meant}'" in said


def test_a_word_near_nothing_gets_the_choices_alone() -> None:
    """Catches a guess for everything, and a message of another kind that is changed."""
    assert with_nearest_choice("Value error, 'xyz' is not one of 'a', 'b'.") == "'xyz' is not one of a, b"
    assert with_nearest_choice("1001 is not in the range 1<=x<=1000.") == "1001 is not in the range 1<=x<=1000."


def test_list_filters(command: Command) -> None:
    """Catches a filter that forgets summaries, or finds nothing and exits as if it had."""
    found = [entry["name"] for entry in command("list", "tracks", "--match", "digits*", "--json").json["tracks"]]
    assert found
    assert all(name.startswith("digits") for name in found)
    by_words = command("list", "rules", "--match", "Random FEEDBACK weights", "--json").json["rules"]
    assert "feedback_alignment" in {entry["name"] for entry in by_words}
    assert command("list", "rules", "--match", "nothing-like-it").code == 5


def test_a_card_says_what_where_from_whom_and_how_to_run_it(command: Command) -> None:
    """Catches a dump of fields, and a card without the paper's numbers or the command to try."""
    rule = command("info", "gevb").out
    for said in ("Clark, Abbott & Chung 2021", "vectorized networks", "no weight transport", "published", "1.87"):
        assert said in rule
    assert "benchsuite audit gevb" in rule
    track = command("info", "mnist-fc-conventional-mixed").out
    for said in ("MNIST dense", "Table 1 of the GEVB paper", "epochs 190", "2.09", "gevb-tables"):
        assert said in track
    assert "benchsuite run mnist-fc-conventional-mixed" in track
    assert "{" not in track
