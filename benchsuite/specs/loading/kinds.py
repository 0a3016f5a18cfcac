"""The table of spec file kinds: folder, name in messages, model and checker of each.

To add a kind of spec, add a line here and its folder to ``Kind``, which type checkers need spelt out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from benchsuite.specs.loading.checking import models_of, tags_of
from benchsuite.specs.models.architecture import ArchitectureSpec
from benchsuite.specs.models.claim import ClaimSpec
from benchsuite.specs.models.dataset import DatasetSpec
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.pretraining import PretrainingSpec
from benchsuite.specs.models.protocol import DiagnosticsSpec, ProtocolSpec
from benchsuite.specs.models.reference import ReferenceSpec
from benchsuite.specs.models.study import AnyStudySpec, StudySpec
from benchsuite.specs.models.track import SuiteSpec, TrackSpec

if TYPE_CHECKING:
    from pathlib import Path

    from benchsuite.errors import Problem
    from benchsuite.specs.loading.check_claim import Directory
    from benchsuite.specs.loading.library import SpecLibrary
    from benchsuite.specs.loading.tree import Node

Kind = Literal["datasets", "architectures", "hardware", "tracks", "suites", "studies", "reference", "claims"]
"""A kind of spec, by the name of its folder."""

Checker = Callable[["Node", "SpecLibrary", "Directory"], list["Problem"]]
"""Returns the problems with the names in a spec that is valid for its model."""


@dataclass(frozen=True)
class SpecKind:
    """One kind of spec file.

    Attributes:
        singular: the name of one such spec in messages and schemas.
        model: the pydantic model that a file must be valid for.
        is_named_by_its_file: True if ``name`` must equal the file's name, because commands look it up by that.
        check: checks the names of tracks, rules and metrics, which the model cannot check.
    """

    singular: str
    model: Any
    is_named_by_its_file: bool = True
    check: Checker = lambda _node, _library, _directory: []

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of the fields that a file of this kind may have."""
        return frozenset(name for model in models_of(self.model) for name in model.model_fields)

    @property
    def tags(self) -> frozenset[str]:
        """Return the values allowed for ``kind:`` in a file of this kind; empty if it has no such field."""
        return frozenset(tag for model in models_of(self.model) for tag in tags_of(model))


def _checked_by(module: str, function: str) -> Checker:
    """Return a checker that is imported on its first call, because checkers resolve specs and so import this table."""

    def check(node: Node, library: SpecLibrary, directory: Directory) -> list[Problem]:
        found: list[Problem] = getattr(import_module(f"benchsuite.specs.loading.{module}"), function)(
            node, library, directory
        )
        return found

    return check


SPEC_KINDS: dict[Kind, SpecKind] = {
    "datasets": SpecKind("dataset", DatasetSpec, is_named_by_its_file=False),
    "architectures": SpecKind("architecture", ArchitectureSpec, is_named_by_its_file=False),
    "hardware": SpecKind("hardware", HardwareSpec, is_named_by_its_file=False),
    "tracks": SpecKind("track", TrackSpec, check=_checked_by("check_file", "check_track")),
    "suites": SpecKind("suite", SuiteSpec, check=_checked_by("check_file", "check_suite")),
    "studies": SpecKind("study", AnyStudySpec),
    "reference": SpecKind("reference", ReferenceSpec, check=_checked_by("check_file", "check_reference")),
    "claims": SpecKind("claim", ClaimSpec, check=_checked_by("check_claim", "check_claim")),
}
"""By the name of their folder."""

FORMER_FOLDERS: Mapping[str, Kind] = MappingProxyType({"experiments": "studies"})
"""Folders of specs that have another name today; their files are read all the same."""

Studies = Mapping[str, type[StudySpec]]
"""Models of the specs of studies by their ``kind``, from the registry."""

NO_STUDIES: Studies = MappingProxyType({})

KINDS: tuple[Kind, ...] = tuple(SPEC_KINDS)
SINGULAR: dict[Kind, str] = {folder: kind.singular for folder, kind in SPEC_KINDS.items()}

PARTS: dict[str, Any] = {
    "dataset": DatasetSpec,
    "architecture": ArchitectureSpec,
    "protocol": ProtocolSpec,
    "diagnostics": DiagnosticsSpec,
    "pretraining": PretrainingSpec,
}
"""Models of the parts of a run."""


@cache
def adapter_of(kind: str) -> TypeAdapter[Any]:
    """Return the validator of a part of a run or of a kind of spec file; built once, since building is slow."""
    models: dict[str, Any] = {str(folder): each.model for folder, each in SPEC_KINDS.items()}
    return TypeAdapter(PARTS.get(kind) or models[kind])


def kind_of_folder(name: str) -> Kind | None:
    """Return the kind of the specs in a folder with this name, today's or a former one."""
    return FORMER_FOLDERS.get(name, name if name in SPEC_KINDS else None)


def guess_kind(path: Path, node: Node, studies: Studies = NO_STUDIES) -> Kind | None:
    """Return the kind of spec that a file holds: by its folder's name, else by its ``kind`` and its fields.

    Among the kinds that have the file's ``kind`` value (or among all, if none has it), the one with the most of the
    file's fields is returned; None if several have equally many. ``studies`` has the kinds of studies of all plugins.
    """
    if (of_folder := kind_of_folder(path.parent.name)) is not None:
        return of_folder
    if not node.is_mapping:
        return None
    written = frozenset(node.value)
    named = node.get("kind")
    tag = named.value if named is not None and isinstance(named.value, str) else None
    tags = {folder: kind.tags for folder, kind in SPEC_KINDS.items()} | {"studies": frozenset(studies)}
    tagged = [folder for folder in KINDS if tag in tags[folder]]
    fields = {folder: SPEC_KINDS[folder].fields for folder in tagged or KINDS}
    of_study = studies.get(tag) if tag is not None else None
    if of_study is not None:
        fields["studies"] = frozenset(of_study.model_fields)
    known = {folder: len(written & names) for folder, names in fields.items()}
    most = max(known.values())
    best = [folder for folder, count in known.items() if count == most]
    return best[0] if most and len(best) == 1 else None
