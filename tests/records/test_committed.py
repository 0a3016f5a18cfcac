"""Oracle: what a committed record says of itself. Its run keeps its name while the specs' shape grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.records.checks import inconsistencies
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import read_study
from benchsuite.records.study import StudyRecord
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id, spec_hash, study_hash, study_id
from benchsuite.specs.models.base import HashedModel
from benchsuite.studies.checking import result_problems

FOLDER = Path(__file__).resolve().parents[2] / "leaderboard" / "records"
STUDIES = sorted((FOLDER / "studies").rglob("*.json"))
RECORDS = sorted(set(FOLDER.rglob("*.json")) - set(STUDIES))


def test_a_committed_records_run_still_has_its_name() -> None:
    """Catches a field that was added to a spec without being named in ``omit_default_from_hash``."""
    for path in RECORDS:
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
        assert spec_hash(record.spec) == record.spec_hash, path
        assert path.stem == run_id(record.spec) == record.run_id, path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_committed_study_still_has_its_name(path: Path, registry: Registry) -> None:
    record = read_study(path)
    assert isinstance(record, StudyRecord)
    assert study_hash(record.spec) == record.spec_hash
    assert path.stem == study_id(record.spec) == record.study_id
    assert (inconsistencies(record, path), result_problems(record, registry)) == ([], [])


class Grown(HashedModel):
    """A model that got ``later`` and ``list`` after it had been hashed."""

    first: int
    later: int = 3
    several: tuple[int, ...] = ()

    omit_default_from_hash = frozenset({"later", "several"})


def test_a_later_field_is_written_only_where_it_says_otherwise() -> None:
    assert Grown(first=1).model_dump(mode="json") == {"first": 1}
    assert Grown(first=1, later=3).model_dump(mode="json") == {"first": 1}
    assert Grown(first=1, later=4, several=(1,)).model_dump(mode="json") == {"first": 1, "later": 4, "several": [1]}
    for grown in (Grown(first=1), Grown(first=1, later=4, several=(1,))):
        assert Grown.model_validate_json(grown.model_dump_json()) == grown
