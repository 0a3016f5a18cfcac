"""Load and check all specs of one kind."""

from __future__ import annotations

from typing import TypeVar

from benchsuite.errors import SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import Kind, adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.base import DocumentedSpec

Documented = TypeVar("Documented", bound=DocumentedSpec)


def load_all(library: SpecLibrary, kind: Kind, shape: type[Documented]) -> list[Documented]:
    """Return all specs of a kind, sorted by name.

    Args:
        library: the library to look them up in.
        kind: name of their folder.
        shape: model of the specs.

    Raises:
        SpecError: with all problems of the first invalid file.

    """
    found = []
    for name in library.names(kind):
        spec, problems = check(adapter_of(kind), library.load(kind, name), shape=shape)
        if spec is None:
            raise SpecError(problems, subject=f"{kind} {name}")
        found.append(spec)
    return found
