"""The command, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchsuite.cli.main import run_command


@dataclass
class Outcome:
    """What a command came to."""

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
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts the command in a process and a group of its own, which end with the test.

    It saves after every epoch, so that a test that waits for the first checkpoint need not wait for 5 s.
    """
    begun: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SAVES_EVERY_EPOCH, *arguments],
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "BENCHSUITE_TRACKING_URI": "none", "BENCHSUITE_EXECUTOR": "local", **environment},
            # A shell lets what it starts in the background ignore Ctrl-C, and CI may be started so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
