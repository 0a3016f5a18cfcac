"""Oracle: the specs of studies as a person reads them; messages as STYLE's examples have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.errors import SpecError
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import study_id
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, load_library_for, resolve
from benchsuite.specs.loading.resolve_study import SelectedStudy, resolve_study
from benchsuite.specs.loading.targets import find_target
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec

NAME = "urfb-linear-dynamics"
FILE = builtin_folder() / "studies" / f"{NAME}.yaml"


def resolved(selection: Selection, library: SpecLibrary) -> SelectedStudy:
    return resolve_study(selection, find_target(selection.target, library), library.studies)


def test_the_builtin_study_is_the_papers(library: SpecLibrary) -> None:
    """Amit 2019, section 5.1; the step and the spreads at the start are not stated there."""
    spec = resolved(Selection(NAME), library).spec
    assert spec.dimensions == (40, 100, 100, 10)
    assert spec.target_standard_deviation == 0.2
    assert spec.feedback_rates == (0, 0.25, 0.5, 1)
    assert spec.iterations == 1000
    assert len(spec.seeds) == 3
    assert "our choice" in spec.source


def test_seeds_and_overrides_are_laid_over_the_file_and_are_in_the_command(library: SpecLibrary) -> None:
    asked = resolved(Selection(NAME, seeds=(0, 1), overrides=("study.step_size=0.01",)), library)
    assert asked.spec.seeds == (0, 1)
    assert asked.spec.step_size == 0.01
    assert asked.command == f"benchsuite run {NAME} --seeds 2 --set study.step_size=0.01"
    chosen = resolved(Selection(NAME, seeds=(0, 7)), library)
    assert chosen.command == f"benchsuite run {NAME} --seed 0 --seed 7"
    assert resolved(Selection(NAME), library).command == f"benchsuite run {NAME}"
    ids = {study_id(e.spec) for e in (asked, chosen, resolved(Selection(NAME), library))}
    assert len(ids) == 3
    assert study_id(resolved(Selection(NAME, seeds=(0, 1, 2)), library).spec) == study_id(
        resolved(Selection(NAME), library).spec
    )


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(NAME, tier="smoke"), "--tier a study has no choice of tier"),
        (Selection(NAME, rules=("backprop",)), "--rules a study has no choice of rules"),
        (Selection(NAME, hardware="cpu"), "--hardware a study has no choice of hardware"),
        (Selection(NAME, overrides=("protocol.epochs=3",)), "known here: study"),
        (Selection(NAME, overrides=("study.stepsize=3",)), "did you mean 'step_size'?"),
        (Selection(NAME, overrides=("experiment=3",)), "such as study.seeds=[0, 1]"),
        (Selection(NAME, overrides=("study.step_size=0",)), "found 0"),
        (Selection(NAME, overrides=("study.step_size=.nan",)), "finite"),
        (Selection(NAME, overrides=("study.feedback_rates=[0, 2]",)), "found 2"),
        (Selection(NAME, overrides=("study.feedback_rates=[1, 1.0]",)), "each of them once"),
        (Selection(NAME, overrides=("study.seeds=[1, 1]",)), "each of them once"),
        (Selection(NAME, overrides=("study.dimensions=[3, 3]",)), "at least 3"),
        (Selection(NAME, overrides=("study.dimensions=[9999, 9999, 9999]",)), "at most 50,000,000"),
        (Selection(NAME, overrides=("study.kind=quadratic",)), "linear_dynamics"),
    ],
)
def test_what_a_study_has_not_is_refused(selection: Selection, said: str, library: SpecLibrary) -> None:
    with pytest.raises(SpecError) as refused:
        resolved(selection, library)
    assert said in str(refused.value)


def test_a_study_is_no_plan_of_runs(registry: Registry, library: SpecLibrary) -> None:
    with pytest.raises(SpecError, match="is a study"):
        resolve(Selection(NAME), library, registry)


@pytest.mark.parametrize(("folder", "said"), [("tracks", "a track and a study"), ("suites", "a suite and a study")])
def test_a_name_stands_for_one_thing(tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / f"{NAME}.yaml").write_text("title: another\n")
    with pytest.raises(SpecError) as refused:
        find_target(NAME, SpecLibrary([builtin_folder(), tmp_path]))
    assert said in str(refused.value)


def test_a_file_of_ones_own_builds_on_the_builtin_one(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "deeper.yaml"
    path.write_text(f"extends: {NAME}\ndimensions: [40, 100, 100, 100, 10]\n")
    library = load_library_for(str(path), [builtin_folder()], registry.study_specs)
    assert check_file(path, library, registry) == []
    for target in (str(path), "deeper"):
        spec = resolved(Selection(target), library).spec
        assert (spec.name, len(spec.dimensions), spec.iterations) == ("deeper", 5, 1000)


def test_a_file_is_known_by_its_kind_and_its_problems_have_their_place(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE.read_text(encoding="utf-8").replace("iterations: 1000", "iteration: 1000"))
    problems = check_file(path, SpecLibrary([builtin_folder()], registry.study_specs), registry)
    assert {p.field for p in problems} == {"iteration", "iterations"}
    assert all(p.line for p in problems)


def test_prose_does_not_rename_a_study(library: SpecLibrary) -> None:
    spec = resolved(Selection(NAME), library).spec
    for field in ("title", "description", "source"):
        assert study_id(spec.model_copy(update={field: "mended"})) == study_id(spec)
    numbers = set(LinearDynamicsSpec.model_fields) - {"title", "description", "source", "kind"}
    other = {
        "name": "other",
        "dimensions": (40, 100, 10),
        "target_standard_deviation": 0.3,
        "feedback_rates": (1.0,),
        "feedback_standard_deviation": 0.1,
        "backprop_standard_deviation": 0.1,
        "step_size": 0.01,
        "iterations": 10,
        "points": 10,
        "seeds": (0,),
    }
    assert set(other) == numbers, "say here what a new field could be"
    ids = {study_id(spec.model_copy(update={field: value})) for field, value in other.items()}
    assert len(ids | {study_id(spec)}) == len(numbers) + 1


def test_the_former_names_of_the_folder_and_of_overrides_are_understood(tmp_path: Path, registry: Registry) -> None:
    """Catches a lab's own file, or the command in an older record, that is lost with the word experiment."""
    (tmp_path / "experiments").mkdir()
    path = tmp_path / "experiments" / "mine.yaml"
    path.write_text(f"extends: {NAME}\niterations: 20\n")
    library = load_library_for(str(path), [builtin_folder()], registry.study_specs)
    assert {"mine", NAME} <= set(library.names("studies"))
    assert check_file(path, library, registry) == []
    for target in ("mine", str(path)):
        spec = resolved(Selection(target, overrides=("experiment.step_size=0.01",)), library).spec
        assert (spec.iterations, spec.step_size) == (20, 0.01)
