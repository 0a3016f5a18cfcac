"""Oracle: the characters that terminals obey. What a stranger's file says is shown, and does nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.api.display import as_text
from benchsuite.cli.options import output, print_json
from benchsuite.cli.safe_stderr import SafeHandler
from benchsuite_leaderboard.downloads.formats import DataTable, as_files

Command = Callable[..., Any]
ACCEPTED = Path(__file__).resolve().parents[2] / "leaderboard" / "records" / "mnist-mirror-fc"
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


def test_no_command_lets_a_spec_a_record_or_a_plugin_command_the_terminal(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches one verb that prints on a way of its own: a title, a record's reason, a plugin's exception in the log."""
    escaped = json.dumps(OBEYED, ensure_ascii=True)  # YAML reads JSON's escapes
    tracks = tmp_path / "own" / "tracks"
    tracks.mkdir(parents=True)
    (tracks / "mine.yaml").write_text(f"extends: digits-fc\ntitle: {escaped}\ndescription: {escaped}\n")
    record = json.loads(next(ACCEPTED.glob("*.json")).read_text(encoding="utf-8"))
    record |= {"status": "crashed", "reason": OBEYED}
    record["spec"] |= {"track": "mine"}
    records = tmp_path / "records"
    records.mkdir()
    (records / f"{record['run_id']}.json").write_text(json.dumps(record), encoding="utf-8")
    own, there = ("--specs", "own"), ("--records", "records")
    for arguments in (
        ("list", "tracks", *own),
        ("info", "mine", *own, *there),
        ("plan", "mine", *own, "--rules", "backprop"),
        ("claims", *there, "--match", "gevb"),
        ("verify", "records"),
        ("records", "lint", "records"),
        ("validate", "own/tracks/mine.yaml"),
    ):
        done = command(*arguments)
        assert done.code in {0, 1}, done.err
        assert not set("\x1b\x07\x9b\u202e") & set(done.out + done.err), arguments
    handler = SafeHandler()
    handler.emit(logging.makeLogRecord({"msg": OBEYED}))
    printed = capfd.readouterr().err
    assert printed.strip()
    assert not set("\x1b\x07\x9b\u202e") & set(printed)


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
