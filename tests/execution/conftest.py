"""Small runs on synthetic data, by code; each record that one of them writes must be without a contradiction."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.records.checks import inconsistencies
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore

from ..small_runs import make_run, make_spec, store  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def _no_record_is_contradictory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches checks of records that refuse what the harness itself writes, however a run ends."""
    write = RecordStore.write

    def checked(self: RecordStore, record: RunRecord) -> Path:
        found = [message for message in inconsistencies(record) if not message.startswith("result_key")]
        assert found == []
        return write(self, record)

    monkeypatch.setattr(RecordStore, "write", checked)
