"""A committed record, and a way to change one without breaking its names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.records.keys import run_result_key
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import read_record, record_text
from benchsuite.specs.hashing import run_id, spec_hash
from benchsuite.specs.seeds import derive_seeds

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboard" / "records" / "mnist-fc" / "a16edbb9b8733745.json"


@pytest.fixture(scope="session")
def committed() -> RunRecord:
    """Return backprop's record of seed 0."""
    record = read_record(COMMITTED)
    assert isinstance(record, RunRecord)
    return record


@pytest.fixture(scope="session")
def seal() -> Callable[..., RunRecord]:
    """Return a function that changes a record and gives it the names that then belong to it."""

    def sealed(record: RunRecord, spec: dict[str, Any] | None = None, **changes: Any) -> RunRecord:
        plain = record.model_dump(mode="json")
        plain["spec"] |= spec or {}
        plain["seeds"] = derive_seeds(plain["spec"]["seed"])
        changed = RunRecord.model_validate({**plain, **changes})
        whole = spec_hash(changed.spec)
        assert changed.data is not None
        key = run_result_key(whole, changed.environment, changed.data.fingerprint)
        return changed.model_copy(update={"spec_hash": whole, "run_id": run_id(changed.spec), "result_key": key})

    return sealed


@pytest.fixture(scope="session")
def put() -> Callable[[RunRecord, Path], Path]:
    """Return a function that writes a record under its own name."""

    def write(record: RunRecord, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{record.run_id}.json"
        path.write_text(record_text(record), encoding="utf-8")
        return path

    return write
