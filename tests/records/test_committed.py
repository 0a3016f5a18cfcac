"""Oracle: what a committed record says of itself. Its run keeps its name while the specs' shape grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.records.experiment import ExperimentRecord
from benchsuite.records.model import RunRecord
from benchsuite.specs.hashing import experiment_hash, experiment_id, run_id, spec_hash
from benchsuite.specs.models.base import HashedModel

FOLDER = Path(__file__).resolve().parents[2] / "leaderboard" / "records"
EXPERIMENTS = sorted((FOLDER / "experiments").rglob("*.json"))
RECORDS = sorted(set(FOLDER.rglob("*.json")) - set(EXPERIMENTS))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_committed_records_run_still_has_its_name(path: Path) -> None:
    """Catches a field that was added to a spec without being named in ``omit_default_from_hash``."""
    record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    assert spec_hash(record.spec) == record.spec_hash
    assert path.stem == run_id(record.spec) == record.run_id


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_committed_experiment_still_has_its_name(path: Path) -> None:
    record = ExperimentRecord.model_validate_json(path.read_text(encoding="utf-8"))
    assert experiment_hash(record.spec) == record.spec_hash
    assert path.stem == experiment_id(record.spec) == record.experiment_id


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
