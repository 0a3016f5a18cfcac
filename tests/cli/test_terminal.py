"""Oracle: the characters that terminals obey. What a stranger's file says is shown, and does nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.api.display import as_text
from benchsuite.cli.options import output, print_json
from benchsuite_leaderboard.downloads.formats import DataTable, as_files

Command = Callable[..., Any]
OBEYED = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil"


def test_no_text_of_a_file_reaches_the_terminal_raw(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches a spec whose title clears the screen, sets the window's title or turns the text around."""
    output().print(f"a title {OBEYED}", markup=False)
    print_json({"title": OBEYED})
    printed = capfd.readouterr().out + as_text([OBEYED])
    name = "\\x1b[2J.yaml"
    (tmp_path / "mine.yaml").write_text(f'kind: "\\e[2J\\x9b31m"\nname: "{name}"\n')
    done = command("validate", "mine.yaml", "\x1b[2J.yaml")
    for character in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert character not in printed + done.out + done.err
    assert "a title \N{REPLACEMENT CHARACTER}" in printed


def test_no_download_holds_what_a_terminal_obeys() -> None:
    table = DataTable(OBEYED, ("rule", "error"), ((OBEYED, 0.5),), ("rule", "error"), ((OBEYED, "50 %"),))
    for path, text in as_files(table, "table"):
        assert not {"\x1b", "\x07"} & set(text), path


@pytest.mark.parametrize(
    "place", ["diagnostics: {names: [credit_angel_deg]}", "tiers: {quick: {diagnostics: {names: [credit_angel_deg]}}}"]
)
def test_a_diagnostic_that_does_not_exist_is_found_before_anything_is_run(
    command: Command, tmp_path: Path, place: str
) -> None:
    """Catches a spec that ``validate`` and ``plan`` call right, and that ``run`` refuses an hour later on a cluster."""
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "mine.yaml").write_text(f"extends: digits-fc\n{place}\n")
    for arguments in (
        ("validate", "tracks/mine.yaml"),
        ("plan", "tracks/mine.yaml", "--tier", "quick", "--rules", "backprop"),
    ):
        done = command(*arguments)
        assert done.code != 0, arguments
        assert "no diagnostic 'credit_angel_deg'; did you mean 'credit_angle_deg'?" in done.out + done.err
