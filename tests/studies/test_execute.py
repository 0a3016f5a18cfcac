"""Oracle: what a record promises: it holds all that made it, and is found again by that and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchsuite.records.checks import inconsistencies
from benchsuite.records.reading import read_document
from benchsuite.records.store import BrokenRecord, RecordStore, read_folder, read_studies
from benchsuite.records.study import StudyRecord
from benchsuite.registry.manager import Registry, installed_registry
from benchsuite.specs.loading.resolve_study import SelectedStudy
from benchsuite.studies import execute as module
from benchsuite.studies.checking import result_problems
from benchsuite.studies.execute import earlier_record, execute
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec

SPEC = LinearDynamicsSpec(
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
SELECTED = SelectedStudy(SPEC, "benchsuite run small")


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "store")


def test_the_record_on_disk_is_the_one_returned_and_says_all(store: RecordStore, registry: Registry) -> None:
    seen = []
    record = execute(SELECTED, store, registry, lambda step, seconds: seen.append(step))
    (path,) = store.studies_folder.iterdir()
    assert StudyRecord.model_validate_json(path.read_text(encoding="utf-8")) == record
    assert path.stem == record.study_id
    trajectories = record.result["trajectories"]
    assert [step.outcome[:9] for step in seen] == ["completed"] * len(trajectories)
    order = [(t["seed"], t["rule"], t["feedback_rate"]) for t in trajectories]
    urfb = "updated_random_feedback"
    assert order == [(s, *arm) for s in (4, 2) for arm in ((urfb, 0.0), (urfb, 1.0), ("backprop", None))]
    assert record.spec.model_dump(mode="json") == SPEC.model_dump(mode="json")
    assert record.result["iterations"] == [0, 2, 4, 6]
    assert set(record.seeds) == {4, 2}
    assert set(record.rules) == {urfb, "backprop"}
    assert record.command == "benchsuite run small"


def test_the_same_study_again_gives_the_same_curves(store: RecordStore, registry: Registry) -> None:
    first = execute(SELECTED, store, registry)
    assert execute(SELECTED, store, registry).result == first.result


def test_a_finished_study_is_found_until_something_that_counts_changes(
    store: RecordStore, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert earlier_record(SELECTED, store, registry) is None
    record = execute(SELECTED, store, registry)
    assert earlier_record(SELECTED, store, registry) == record
    prose = SelectedStudy(SPEC.model_copy(update={"title": "Another", "description": "x", "source": "y"}), "")
    assert earlier_record(prose, store, registry) == record
    for change in ({"step_size": 0.03}, {"seeds": (4,)}, {"feedback_rates": (0.0,)}, {"name": "other"}):
        assert earlier_record(SelectedStudy(SPEC.model_copy(update=change), ""), store, registry) is None
    found = module.versions()
    for change in ({"torch": "0"}, {"benchsuite": "0"}):
        changed = found.model_copy(update=change)
        monkeypatch.setattr(module, "versions", lambda changed=changed: changed)
        assert earlier_record(SELECTED, store, registry) is None
    elsewhere = found.model_copy(update={"platform": "another", "git_commit": "0", "git_dirty": True})
    monkeypatch.setattr(module, "versions", lambda: elsewhere)
    assert earlier_record(SELECTED, store, registry) == record
    monkeypatch.setattr(module, "source_hash", lambda rule: "00")
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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    store = RecordStore(tmp_path_factory.mktemp("recorded"))
    return execute(SELECTED, store, installed_registry()).model_dump_json()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("trajectories", 0, "squared_error"), [1.0]),
        (("trajectories", 0, "squared_error"), [1.0] * 9),
        (("trajectories", 0, "correlations", 0), [0.5]),
        (("trajectories", 0, "correlations", 0, 3), 1.5),
        (("trajectories", 0, "correlations"), [[0.1] * 4]),
        (("trajectories", 0, "status"), "diverged"),
        (("trajectories", 0, "seed"), 7),
        (("trajectories", 0, "another"), 1),
        (("trajectories", 0, "reason"), "completed, but why"),
        (("trajectories", 0, "squared_error", 0), 1e9),
        (("iterations",), [0, 1, 2, 3]),
    ],
)
def test_a_result_that_contradicts_itself_or_its_spec_is_told(
    recorded: str, registry: Registry, store: RecordStore, path: tuple[str | int, ...], value: object
) -> None:
    """Records are read as untrusted data: a curve that is cut would else be drawn as if it were whole."""
    record = StudyRecord.model_validate_json(recorded)
    assert result_problems(record, registry) == []
    inner: Any = record.result
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    (problem,) = result_problems(record, registry)
    assert problem.startswith("result")
    store.write_study(record)
    assert earlier_record(SELECTED, store, registry) is None


@pytest.mark.parametrize("change", [{"seeds": {0: {"init": 1}}}, {"rules": {}}])
def test_seeds_and_rules_other_than_the_studys_are_told(recorded: str, registry: Registry, change: Any) -> None:
    """Catches a forged record: it could claim seeds that were never drawn, or sources that were never run."""
    record = StudyRecord.model_validate_json(recorded).model_copy(update=change)
    (problem,) = result_problems(record, registry)
    assert next(iter(change)) in problem


@pytest.mark.parametrize("change", [{"schema_version": 3}, {"study_id": "../outside"}, {"another": 1}])
def test_a_record_of_another_form_is_refused(recorded: str, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StudyRecord.model_validate({**json.loads(recorded), **change})


def test_runs_and_studies_are_told_apart_in_any_folder(store: RecordStore, registry: Registry, tmp_path: Path) -> None:
    record = execute(SELECTED, store, registry)
    shelf = tmp_path / "records"
    (shelf / "studies" / "deeper").mkdir(parents=True)
    (shelf / "a-track").mkdir()
    (shelf / "studies" / "deeper" / "one.json").write_text(record.model_dump_json())
    (shelf / "a-track" / "broken.json").write_text("{}")
    assert list(read_studies(shelf)) == list(read_studies(shelf / "studies")) == [record]
    (broken,) = read_folder(shelf)
    assert isinstance(broken, BrokenRecord)
    assert list(read_folder(shelf / "studies")) == []
    assert list(store.read_all()) == []
    assert list(store.read_studies()) == [record]


def test_a_store_and_a_record_of_before_studies_had_their_name_are_read(
    store: RecordStore, registry: Registry, recorded: str
) -> None:
    """Catches a study that is lost, or made again, since its folder and its fields were renamed."""
    today = StudyRecord.model_validate_json(recorded)
    former = json.loads(recorded)
    former |= {"schema_version": 1, "experiment_id": former.pop("study_id"), **former.pop("result")}
    del former["code"]
    folder = store.root / "experiments"
    folder.mkdir(parents=True)
    (folder / f"{today.study_id}.json").write_text(json.dumps(former))
    assert list(store.read_studies()) == [today]
    assert read_document(folder / f"{today.study_id}.json") == today
    assert earlier_record(SELECTED, store, registry) == today
    assert inconsistencies(today, folder / f"{today.study_id}.json") == []
