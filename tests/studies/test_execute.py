"""Oracle: what a record promises: it holds all that made it, and is found again by that and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchsuite.records.experiment import ExperimentRecord
from benchsuite.records.store import BrokenRecord, RecordStore, read_experiments, read_folder
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve_experiment import SelectedExperiment
from benchsuite.specs.models.experiment import LinearDynamics
from benchsuite.studies import execute as module
from benchsuite.studies.execute import earlier_record, execute

SPEC = LinearDynamics(
    name="small",
    kind="linear_dynamics",
    dimensions=(4, 6, 5, 3),
    target_standard_deviation=0.5,
    feedback_rates=(0, 1),
    feedback_standard_deviation=0.1,
    backprop_standard_deviation=0.1,
    step_size=0.02,
    iterations=6,
    points=3,
    seeds=(4, 2),
)
SELECTED = SelectedExperiment(SPEC, "benchsuite run small")


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "store")


def test_the_record_on_disk_is_the_one_returned_and_says_all(store: RecordStore, registry: Registry) -> None:
    seen = []
    record = execute(SELECTED, store, registry, lambda trajectory, seconds: seen.append((trajectory, seconds)))
    (path,) = store.experiments_folder.iterdir()
    assert ExperimentRecord.model_validate_json(path.read_text(encoding="utf-8")) == record
    assert path.stem == record.experiment_id
    assert [t for t, _ in seen] == list(record.trajectories)
    order = [(t.seed, t.rule, t.feedback_rate) for t in record.trajectories]
    urfb = "updated_random_feedback"
    assert order == [(s, *arm) for s in (4, 2) for arm in ((urfb, 0.0), (urfb, 1.0), ("backprop", None))]
    assert record.spec == SPEC
    assert record.iterations == (0, 2, 4, 6)
    assert set(record.seeds) == {4, 2}
    assert set(record.rules) == {urfb, "backprop"}
    assert record.command == "benchsuite run small"


def test_the_same_experiment_again_gives_the_same_curves(store: RecordStore, registry: Registry) -> None:
    first = execute(SELECTED, store, registry)
    assert execute(SELECTED, store, registry).trajectories == first.trajectories


def test_a_finished_experiment_is_found_until_something_that_counts_changes(
    store: RecordStore, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert earlier_record(SELECTED, store, registry) is None
    record = execute(SELECTED, store, registry)
    assert earlier_record(SELECTED, store, registry) == record
    prose = SelectedExperiment(SPEC.model_copy(update={"title": "Another", "description": "x", "source": "y"}), "")
    assert earlier_record(prose, store, registry) == record
    for change in ({"step_size": 0.03}, {"seeds": (4,)}, {"feedback_rates": (0.0,)}, {"name": "other"}):
        assert earlier_record(SelectedExperiment(SPEC.model_copy(update=change), ""), store, registry) is None
    found = module.versions()
    for change in ({"torch": "0"}, {"benchsuite": "0"}):
        changed = found.model_copy(update=change)
        monkeypatch.setattr(module, "versions", lambda changed=changed: changed)
        assert earlier_record(SELECTED, store, registry) is None
    elsewhere = found.model_copy(update={"platform": "another", "git_commit": "0", "git_dirty": True})
    monkeypatch.setattr(module, "versions", lambda: elsewhere)
    assert earlier_record(SELECTED, store, registry) == record
    monkeypatch.setattr(module, "rule_source_hash", lambda rule: "00")
    assert earlier_record(SELECTED, store, registry) is None


def test_a_store_that_cannot_be_written_is_found_out_before_anything_runs(registry: Registry) -> None:
    from benchsuite.errors import StoreError

    ran = []
    with pytest.raises(StoreError, match="cannot"):
        execute(SELECTED, RecordStore(Path("/proc/nothing")), registry, lambda *seen: ran.append(seen))
    assert ran == []


def test_an_uninstalled_rule_is_named(store: RecordStore, registry: Registry) -> None:
    from benchsuite.errors import PluginError

    without = replace(registry, rules={n: r for n, r in registry.rules.items() if n != "backprop"})
    with pytest.raises(PluginError, match="no rule 'backprop'"):
        execute(SELECTED, store, without)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("trajectories", 0, "squared_error"), [1.0]),
        (("trajectories", 0, "squared_error"), [1.0] * 9),
        (("trajectories", 0, "correlations", 0), [0.5]),
        (("trajectories", 0, "correlations", 0, 3), 1.5),
        (("trajectories", 0, "status"), "diverged"),
        (("schema_version",), 2),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    store: RecordStore, registry: Registry, path: tuple[str | int, ...], value: object
) -> None:
    """Records are read as untrusted data: a curve that is cut would else be drawn as if it were whole."""
    document = json.loads(execute(SELECTED, store, registry).model_dump_json())
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(ValidationError):
        ExperimentRecord.model_validate(document)


def test_runs_and_experiments_are_told_apart_in_any_folder(
    store: RecordStore, registry: Registry, tmp_path: Path
) -> None:
    record = execute(SELECTED, store, registry)
    shelf = tmp_path / "records"
    (shelf / "experiments" / "deeper").mkdir(parents=True)
    (shelf / "a-track").mkdir()
    (shelf / "experiments" / "deeper" / "one.json").write_text(record.model_dump_json())
    (shelf / "a-track" / "broken.json").write_text("{}")
    assert list(read_experiments(shelf)) == list(read_experiments(shelf / "experiments")) == [record]
    (broken,) = read_folder(shelf)
    assert isinstance(broken, BrokenRecord)
    assert list(read_folder(shelf / "experiments")) == []
    assert list(store.read_all()) == []
    assert list(store.read_experiments()) == [record]
