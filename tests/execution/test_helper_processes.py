"""Oracle: order, one answer per question, and no process that is left. Helpers here load no torch: they start fast."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchsuite.errors import DataError, PluginError
from benchsuite.execution.helper_processes import answers, start_helper

HELPER = """
import os, pathlib, time
from benchsuite.errors import DataError
from benchsuite.execution.helper_processes import answer_questions

def prepared(folder):
    def answer(question):
        print("a plugin's own words")
        if question == "missing":
            raise DataError("no such data")
        if question == "dies":
            os._exit(7)
        if question == "first":  # must not be awaited before others begin
            until = time.monotonic() + 30
            while not pathlib.Path(folder, "second").exists() and time.monotonic() < until:
                time.sleep(0.005)
        pathlib.Path(folder, question).touch()
        if question == "endless":
            time.sleep(60)
        return question.upper()
    return answer

def main():
    return answer_questions(prepared)
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "helper_for_tests.py").write_text(HELPER)
    monkeypatch.syspath_prepend(tmp_path)
    return "helper_for_tests"


def test_answers_come_in_the_order_of_questions_whichever_is_done_first(helper: str, tmp_path: Path) -> None:
    """Catches answers in the order of their end, a question left out, helpers that wait for one another."""
    questions = ["first", "second", "third", "fourth", "fifth"]
    assert list(answers(helper, str(tmp_path), questions, 2)) == [each.upper() for each in questions]
    assert not _helpers(helper)


@pytest.mark.parametrize(("question", "error"), [("missing", DataError), ("dies", PluginError)])
def test_what_goes_wrong_in_a_helper_is_raised_here(
    helper: str, tmp_path: Path, question: str, error: type[Exception]
) -> None:
    """Catches a failed answer that is taken for one, and a wait for a helper that is dead."""
    with pytest.raises(error, match="no such data" if error is DataError else r"dies.*exit status 7"):
        list(answers(helper, str(tmp_path), [question, "second"], 1))
    assert not _helpers(helper)


def test_an_interruption_ends_all_helpers_at_once(helper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches helpers that go on after Ctrl-C, or are killed without being asked to stop."""
    started = []

    def start(*arguments: Any) -> Any:
        started.append(start_helper(*arguments))
        return started[-1]

    monkeypatch.setattr("benchsuite.execution.helper_processes.start_helper", start)
    monkeypatch.setattr("benchsuite.execution.helper_processes.GRACE_S", 15)
    given = answers(helper, str(tmp_path), ["second", "endless", "third"], 2)
    assert next(given) == "SECOND"
    while not (tmp_path / "endless").exists():
        time.sleep(0.005)
    with pytest.raises(KeyboardInterrupt):
        given.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2
    assert not _helpers(helper)


def _helpers(module: str) -> list[psutil.Process]:
    children = psutil.Process().children()
    return [each for each in children if each.status() != psutil.STATUS_ZOMBIE and module in each.cmdline()]
