"""Oracle: what each kind of spec is for. A file is told by its folder or by what stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.kinds import SPEC_KINDS, Kind, guess_kind
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.tree import read

DATASETS = {
    "digits": {},
    "mnist": {},
    "cifar10": {},
    "cifar100": {},
    "arrays": {"path": "mine"},
    "image_folder": {"path": "mine", "height": 8, "width": 8},
    "imagenet": {},
    "synthetic": {},
    "plugin": {"reader": "theirs"},
}


def first_file(kind: Kind) -> Path:
    return min((builtin_folder() / kind).glob("*.yaml"))


def problems_of(path: Path, registry: Registry) -> list[str]:
    library = SpecLibrary(
        [builtin_folder(), *([path.parents[1]] if path.parent.name in SPEC_KINDS else [])], registry.study_specs
    )
    return [str(problem) for problem in check_file(path, library, registry)]


def test_every_kind_is_in_the_table() -> None:
    """Catches a folder that type checkers know and no file is read from."""
    assert set(SPEC_KINDS) == set(get_args(Kind))
    assert {path.name for path in builtin_folder().iterdir() if path.is_dir()} == set(SPEC_KINDS)


@pytest.mark.parametrize("kind", SPEC_KINDS)
@pytest.mark.parametrize("folder", ["of_its_kind", "elsewhere"])
def test_one_file_of_every_kind_of_spec_is_right(kind: Kind, folder: str, tmp_path: Path, registry: Registry) -> None:
    """Catches a kind that can only be told by its folder, or that no checker takes."""
    original = first_file(kind)
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes())
    assert guess_kind(path, read(path), registry.study_specs) == kind
    assert problems_of(original if folder == "of_its_kind" else path, registry) == []


@pytest.mark.parametrize("kind", DATASETS)
@pytest.mark.parametrize("folder", ["datasets", "elsewhere"])
def test_one_file_of_every_kind_of_data_set_is_right(
    kind: str, folder: str, tmp_path: Path, registry: Registry
) -> None:
    """Catches ``kind: imagenet`` outside ``datasets/``, which nobody could tell for a data set."""
    path = tmp_path / folder / "mine.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"kind": kind, **DATASETS[kind]}))
    assert guess_kind(path, read(path)) == "datasets"
    assert problems_of(path, registry) == []


def test_the_examples_above_are_all_kinds_of_data_set() -> None:
    """Catches a new kind that these tests leave out."""
    assert set(DATASETS) == SPEC_KINDS["datasets"].tags


def test_a_file_that_may_be_several_things_is_asked_to_say_more(tmp_path: Path, registry: Registry) -> None:
    """Catches a guess where a plugin's data set and a plugin's architecture look alike."""
    path = tmp_path / "mine.yaml"
    path.write_text("kind: plugin\n")
    (problem,) = problems_of(path, registry)
    assert "unknown kind of spec" in problem
    path.write_text("kind: plugin\nbuilder: theirs\n")
    assert guess_kind(path, read(path)) == "architectures"
