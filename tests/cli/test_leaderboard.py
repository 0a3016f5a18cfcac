"""Oracle: what the verb's help promises, on accepted records; nothing but a web address becomes a link."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.tracking.connection import MirrorError
from benchsuite.tracking.links import mlflow_pages

ROOT = Path(__file__).resolve().parents[2] / "leaderboard"


def test_a_page_is_renewed_and_says_what_was_left_out(command: Callable[..., Any], tmp_path: Path) -> None:
    build = ["leaderboard", "build", "--records", str(ROOT / "records" / "mnist-fc"), "--out", str(tmp_path / "site")]
    build += ["--audits", str(ROOT / "audits"), "--json"]
    first = command(*build)
    assert (first.code, first.json["records"], first.json["rebuilt"]) == (0, 12, ["mnist-fc"])
    assert (tmp_path / "site" / "claims.html").is_file()
    assert "confirmed" in (tmp_path / "site" / "rules" / "backprop.html").read_text(encoding="utf-8")
    second = command(*build)
    assert (second.code, second.json["rebuilt"]) == (0, [])


@pytest.mark.parametrize("address", ["javascript:alert(1)", "127.0.0.1:5000", "http://user:secret@host"])
def test_only_an_address_of_pages_becomes_a_link(tmp_path: Path, address: str) -> None:
    with pytest.raises(MirrorError, match="no address of MLflow's pages"):
        mlflow_pages("sqlite:///none.db", tmp_path, address)
