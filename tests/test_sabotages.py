"""Oracle: the code as it is. A sabotage whose line was rewritten since would be no check of anything."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def test_every_sabotage_fits_the_code_and_names_tests_that_are_there() -> None:
    spec = importlib.util.spec_from_file_location("mutate", REPOSITORY / "scripts" / "mutate.py")
    assert spec
    assert spec.loader
    mutate = importlib.util.module_from_spec(spec)
    sys.modules["mutate"] = mutate
    spec.loader.exec_module(mutate)
    names = [sabotage.name for sabotage in mutate.SABOTAGES]
    assert len(set(names)) == len(names)
    for sabotage in mutate.SABOTAGES:
        assert sabotage.line in (REPOSITORY / sabotage.file).read_text(encoding="utf-8"), sabotage.name
        assert sabotage.line != sabotage.broken
        for tests in sabotage.tests.split():
            assert (REPOSITORY / tests.partition("::")[0]).exists(), sabotage.name
