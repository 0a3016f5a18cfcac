"""The command, in this process or in one of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchsuite.cli.main import run_command

from ..warm import Process, WarmPython, end


@dataclass
class Outcome:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return stdout as JSON; fails if there is anything else on it."""
        return json.loads(self.out)


def assert_refused(done: Outcome, says: str) -> None:
    """Hold a command to what bad input gets: exit code 2 and a message, never a traceback."""
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Return a function that runs the command in this process, in a folder of its own, without MLflow unless asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHSUITE_TRACKING_URI", "none")

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        code = run_command(list(arguments))
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


SAVES_EVERY_EPOCH = """
from benchsuite.cli.main import main
from benchsuite.execution import checkpointing
checkpointing.CHECKPOINT_EVERY_S = 0.0
main()
"""


@pytest.fixture
def start(tmp_path: Path, warm_python: WarmPython) -> Iterator[Callable[..., Process]]:
    """Return a function that starts the command in a process and a group of its own, which end with the test.

    It saves after every epoch, so that a test that waits for the first checkpoint need not wait for 5 s.
    """
    begun: list[Process] = []

    def begin(*arguments: str, **environment: str) -> Process:
        own = {"BENCHSUITE_TRACKING_URI": "none", "BENCHSUITE_EXECUTOR": "local"}
        variables = {**os.environ, **own, **environment}
        begun.append(warm_python.start("-c", SAVES_EVERY_EPOCH, *arguments, cwd=tmp_path, environment=variables))
        return begun[-1]

    yield begin
    for process in begun:
        end(process)
