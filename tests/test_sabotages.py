"""Oracle: the code as it is. A sabotage whose line was rewritten since would be no check of anything."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from .scripts import load_script

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def mutate() -> ModuleType:
    return load_script("mutate")


def test_every_sabotage_fits_the_code_and_names_tests_that_are_there(mutate: ModuleType) -> None:
    names = [sabotage.name for sabotage in mutate.SABOTAGES]
    assert len(set(names)) == len(names)
    for sabotage in mutate.SABOTAGES:
        assert sabotage.line in (REPOSITORY / sabotage.file).read_text(encoding="utf-8"), sabotage.name
        assert sabotage.line != sabotage.broken
        for tests in sabotage.tests.split():
            assert (REPOSITORY / tests.partition("::")[0]).exists(), sabotage.name


@pytest.mark.parametrize(
    ("test", "timeout_s", "verdict"),
    [
        ("from suite_code import ANSWER\ndef test(): assert ANSWER == 42", 300, None),
        ("import suite_code\ndef test(): suite_code.ANSWER", 300, "no test failed"),
        ("import time\ndef test(): time.sleep(600)", 0.1, "no test failed within"),
        ("def helper(): ...", 300, "exit code 5"),
    ],
    ids=["caught", "survives", "takes too long", "there is no test"],
)
def test_a_sabotage_is_caught_by_a_failing_test_and_by_nothing_else(
    mutate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    test: str,
    timeout_s: float,
    verdict: str | None,
) -> None:
    """Would catch a sabotage that counts as caught because its tests hung, are gone, or could not start."""
    # Of the installed plugins only the one whose option is used: bytecode is kept apart, so each would be compiled.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin")
    (tmp_path / "suite_code.py").write_text("ANSWER = 42\n")
    (tmp_path / "test_code.py").write_text(test)
    sabotage = mutate.Sabotage("another answer", "suite_code.py", "42", "43", "test_code.py")
    outcome = mutate.Checkout(tmp_path).try_out(sabotage, timeout_s)
    assert outcome.why is None if verdict is None else verdict in outcome.why
    assert (tmp_path / "suite_code.py").read_text() == "ANSWER = 42\n", "the sound code comes back"


def test_a_sabotage_that_fits_no_more_is_a_survivor(mutate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "suite_code.py").write_text("ANSWER = 41\n")
    sabotage = mutate.Sabotage("another answer", "suite_code.py", "42", "43", "test_code.py")
    assert mutate.Checkout(tmp_path).try_out(sabotage, timeout_s=300).why == "does not fit the code any more"
