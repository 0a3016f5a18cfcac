"""The library of spec files: its folders, and the lookup of a spec by name.

A library is a list of folders, each with ``datasets/ architectures/ hardware/ tracks/ suites/ studies/ reference/
claims/`` in it. A name means the same file everywhere: the same name in two folders is an error; order decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.specs.loading.kinds import FORMER_FOLDERS, KINDS, NO_STUDIES, SINGULAR, SPEC_KINDS, Kind, Studies
from benchsuite.specs.loading.tree import Mark, Node, read
from benchsuite.specs.loading.variant_lists import with_variants_by_name

SPECS_VARIABLE = "BENCHSUITE_SPECS"


def builtin_folder() -> Path:
    """Return the folder of the suite's own specs: inside an installed wheel, beside the package in a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "builtin_specs"
    return installed if installed.is_dir() else package.parent / "specs"


def user_folders() -> list[Path]:
    """Return the folders that ``BENCHSUITE_SPECS`` names."""
    return [Path(p) for p in os.environ.get(SPECS_VARIABLE, "").split(os.pathsep) if p]


@dataclass(frozen=True)
class Entry:
    """One spec file."""

    kind: Kind
    name: str
    path: Path


class SpecLibrary:
    """All spec files by kind and name.

    Attributes:
        folders: the folders searched.
        studies: models of the specs of studies by their ``kind``, from the registry.
    """

    def __init__(self, folders: Iterable[Path], studies: Studies = NO_STUDIES) -> None:
        self.studies = studies
        self.folders = list(dict.fromkeys(folder.resolve() for folder in folders))

    @cached_property
    def _files(self) -> dict[Kind, dict[str, list[Path]]]:
        files: dict[Kind, dict[str, list[Path]]] = {kind: {} for kind in KINDS}
        for folder in self.folders:
            for name, kind in [*zip(KINDS, KINDS, strict=True), *FORMER_FOLDERS.items()]:
                for path in sorted([*(folder / name).glob("*.yaml"), *(folder / name).glob("*.yml")]):
                    files[kind].setdefault(path.stem, []).append(path)
        return files

    def entries(self, kind: Kind) -> list[Entry]:
        """Return all specs of a kind, by name."""
        return [Entry(kind, name, paths[0]) for name, paths in sorted(self._files[kind].items())]

    def names(self, kind: Kind) -> list[str]:
        """Return all names of a kind, in order."""
        return sorted(self._files[kind])

    def find(self, kind: Kind, name: str, asked_at: Mark | None = None, field: str | None = None) -> Path:
        """Return the file of a spec.

        Raises:
            SpecError: if there is none of that name, or more than one.

        """
        paths = self._files[kind].get(name, [])
        if len(paths) == 1:
            return paths[0]
        at = asked_at or Mark(None)
        if paths:
            message = f"{SINGULAR[kind]} '{name}' is defined in {' and in '.join(str(p) for p in paths)}; rename one"
        else:
            hint = nearest(name, self.names(kind))
            message = f"no {SINGULAR[kind]} '{name}'{hint} (`benchsuite list {kind}` shows all {len(self.names(kind))})"
        raise SpecError([at.problem(message, field)], subject=at.file or "request")

    def load(self, kind: Kind, name: str, asked_at: Mark | None = None, field: str | None = None) -> Node:
        """Return a spec by name, with everything that it extends and refers to filled in."""
        return self._load_file(kind, self.find(kind, name, asked_at, field), ())

    def load_file(self, kind: Kind, path: Path) -> Node:
        """Return a spec from any file, with everything that it extends and refers to filled in."""
        return self._load_file(kind, path, ())

    def _load_file(self, kind: Kind, path: Path, chain: tuple[Path, ...]) -> Node:
        if path in chain:
            around = " → ".join(p.stem for p in (*chain[chain.index(path) :], path))
            raise SpecError([Problem(f"is based on itself: {around}", str(path))], subject=str(path))
        node = read(path)
        if not node.is_mapping:
            raise SpecError([node.mark.problem("expected a mapping of fields")], subject=node.mark.file or str(path))
        named = node.get("name")
        if named is None:
            node = node.with_entry("name", Node(path.stem, node.mark))
        elif named.value != path.stem and SPEC_KINDS[kind].is_named_by_its_file:
            message = f"found '{named.value}', but the file is named '{path.stem}'; give both the same name"
            raise SpecError([named.mark.problem(message, "name")], subject=node.mark.file or str(path))
        if kind == "tracks":
            node = with_variants_by_name(node)
        return self._choose_memory_format(kind, node, (*chain, path))

    def _choose_memory_format(self, kind: Kind, node: Node, chain: tuple[Path, ...]) -> Node:
        base = node.get("extends")
        if base is not None:
            found = self._load_file(kind, self.find(kind, str(base.value), base.mark, "extends"), chain)
            node = found.merged(node.without("extends"))
        if kind == "tracks":
            parts: tuple[tuple[str, Kind], ...] = (("dataset", "datasets"), ("architecture", "architectures"))
            for part, part_kind in parts:
                node = self._resolve_part(node, part, part_kind, chain)
            pretraining = node.get("pretraining")
            if pretraining is not None and pretraining.is_mapping:
                resolved = self._resolve_part(pretraining, "architecture", "architectures", chain)
                node = node.with_entry("pretraining", resolved)
        return node

    def _resolve_part(self, node: Node, part: str, kind: Kind, chain: tuple[Path, ...]) -> Node:
        entry = node.get(part)
        if entry is None:
            return node
        if isinstance(entry.value, str):
            found = self._load_file(kind, self.find(kind, entry.value, entry.mark, part), chain)
            return node.with_entry(part, found)
        if entry.is_mapping:
            own_name = node.get("name")
            resolved = self._choose_memory_format(kind, entry, chain)
            if resolved.get("name") is None and own_name is not None:
                resolved = resolved.with_entry("name", own_name)
            return node.with_entry(part, resolved)
        return node
