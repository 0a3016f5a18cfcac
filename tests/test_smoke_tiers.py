"""Oracle: commands of one line that pass, fail, lack data or never end."""

from __future__ import annotations

import sys
import time

import pytest

from .scripts import load_script

smoke = load_script("smoke_tiers")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("print('a table')", "passed"),
        ("print('benchsuite: no rule x'); raise SystemExit(2)", "failed"),
        ("raise SystemExit(\"benchsuite: data set 'cifar10': CIFAR-10 is not complete\")", "no data"),
    ],
)
def test_a_track_passes_only_with_exit_code_zero(code: str, word: str) -> None:
    """Catches a refused pair that is excused as missing data, and a failure that counts as a pass."""
    found = smoke.run_track("a-track", ["--seeds", "1"], 60.0, (sys.executable, "-S", "-c", code))
    assert found.word == word
    assert found.last_line


def test_a_track_that_does_not_end_is_stopped() -> None:
    """Catches a script that waits for ever for one track, or calls what it killed passed."""
    start = time.monotonic()
    found = smoke.run_track("a-track", [], 0.3, (sys.executable, "-S", "-c", "import time; time.sleep(600)"))
    assert (found.word, found.exit_code) == ("too slow", None)
    assert time.monotonic() - start < 60


def test_the_summary_counts_every_track() -> None:
    outcomes = [smoke.Outcome("a", 0, 2.0, 1, ""), smoke.Outcome("b", 0, 4.0, 1, ""), smoke.Outcome("c", 3, 9.0, 1, "")]
    assert smoke.summary(outcomes) == "3 tracks: 2 passed, 1 failed; 2 to 4 s, median 3 s"
