"""Oracle: Python's own JSON parser for depth, and the promises of reading what a stranger wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.records import reading
from benchsuite.records.audit import RuleAudit
from benchsuite.records.migration import migrate
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import MAX_DEPTH, BrokenRecord, read_audit, read_document, read_record, record_text


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)
    return 0


JSON = st.recursive(
    st.text("[]{}\\\"'a\n", max_size=8) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{\\"}]', max_size=4), inner, max_size=3),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 1]))
def test_depth_is_counted_as_a_parser_counts_it(tmp_path_factory: Any, value: Any, indent: int | None) -> None:
    """Catches brackets in texts taken for structure, and structure hidden behind an escaped quote."""
    path = tmp_path_factory.mktemp("depth") / "a.json"
    path.write_text(json.dumps(value, indent=indent))
    for limit in (depth_of(value), depth_of(value) - 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "MAX_DEPTH", limit)
            found = read_record(path)
        assert isinstance(found, BrokenRecord)
        assert ("nested" in found.reason) == (limit < depth_of(value))


def test_a_record_with_deep_settings_is_refused(committed: RunRecord, tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    plain = committed.model_dump(mode="json")
    plain["spec"]["rule"]["config"] = {"deep": deep}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(plain))
    found = read_record(path)
    assert isinstance(found, BrokenRecord)
    assert "nested" in found.reason
    as_written = record_text(RunRecord.model_validate(plain))
    path.write_text(as_written)
    assert read_record(path) == BrokenRecord(path, found.reason)


def test_an_unclosed_text_is_read_in_one_pass(tmp_path: Path) -> None:
    """A pattern that starts over at every quote would take hours for this file."""
    path = tmp_path / "a.json"
    path.write_bytes(b'"\\' * 2_000_000)
    assert isinstance(read_record(path), BrokenRecord)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_have_is_refused_even_in_free_settings(
    committed: RunRecord, tmp_path: Path, token: str
) -> None:
    """A NaN would be written back as null: the record would change by being copied."""
    text = record_text(committed).replace('"config": {}', f'"config": {{"a": {token}}}')
    path = tmp_path / "a.json"
    path.write_text(text)
    found = read_record(path)
    assert isinstance(found, BrokenRecord)
    assert "NaN or Infinity" in found.reason


def test_the_word_nan_in_a_text_is_a_text(committed: RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(record_text(committed.model_copy(update={"reason": 'the loss was "NaN" \\'})))
    assert isinstance(read_record(path), RunRecord)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="os.mkfifo is POSIX only, so there is no pipe to be fooled by")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    found = read_document(tmp_path / "a.json")
    assert isinstance(found, BrokenRecord)
    assert "plain file" in found.reason


# --- versions ---


def from_0(document: dict[str, Any]) -> dict[str, Any]:
    """Version 0, made up for this test: the status was called outcome."""
    document["status"] = document.pop("outcome")
    return document


def version_0(record: RunRecord) -> dict[str, Any]:
    old = record.model_dump(mode="json")
    old["outcome"] = old.pop("status")
    return old | {"schema_version": 0}


def test_an_old_record_is_read_through_its_migration(
    committed: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(version_0(committed)))
    refused = read_record(path)
    assert isinstance(refused, BrokenRecord)
    assert "no migration is known" in refused.reason
    monkeypatch.setattr(reading, "RUN_STEPS", {0: from_0})
    assert read_record(path) == read_document(path) == committed


def test_steps_are_taken_one_after_the_other() -> None:
    steps = {version: lambda d, v=version: {**d, "seen": [*d.get("seen", []), v]} for version in range(3)}
    before = {"schema_version": 1}
    assert migrate(before, 3, steps) == {"schema_version": 3, "seen": [1, 2]}
    assert before == {"schema_version": 1}


@pytest.mark.parametrize("version", [True, "1", None, 1.0, 4, -1])
def test_a_version_that_is_none_is_told(version: object) -> None:
    with pytest.raises(ValueError, match="schema_version"):
        migrate({"schema_version": version}, 3, {0: lambda d: d})


OLD_AUDIT = Path(__file__).with_name("old") / "audit_version_1.json"
"""Of difference target propagation, as it was committed with the first version of the schema."""


def test_an_audit_of_version_1_is_read_with_the_later_names_of_its_fields() -> None:
    """Catches a rename that makes every older audit unreadable, or loses what the rule needs."""
    old = json.loads(OLD_AUDIT.read_text(encoding="utf-8"))
    assert old["schema_version"] == 1
    audit = read_audit(OLD_AUDIT)
    assert isinstance(audit, RuleAudit)
    assert audit.needs.min_hidden_segments == old["needs"]["least_hidden"] == 2
    renamed = {(each.trait, each.declared, each.verdict) for each in audit.traits}
    assert renamed == {(each["claim"], each["claimed"], each["verdict"]) for each in old["claims"]}
    assert len(renamed) == 7


def test_an_audit_of_version_2_is_read_with_the_word_trait(tmp_path: Path) -> None:
    """Catches an audit of the last version that is read without its traits."""
    old = json.loads(OLD_AUDIT.read_text(encoding="utf-8"))
    needs = old["needs"] | {"min_hidden_segments": old["needs"].pop("least_hidden")}
    (tmp_path / "second.json").write_text(json.dumps(old | {"schema_version": 2, "needs": needs}))
    assert read_audit(tmp_path / "second.json") == read_audit(OLD_AUDIT)
