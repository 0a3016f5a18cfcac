"""Load and check all specs of one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from benchsuite.errors import SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import SINGULAR, Kind, adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.base import DocumentedSpec

Documented = TypeVar("Documented", bound=DocumentedSpec)


Warn = Callable[[str], None]
"""Called with the name and the problems of a spec that is left out."""


def load_all(library: SpecLibrary, kind: Kind, shape: type[Documented], warn: Warn | None = None) -> list[Documented]:
    """Return all specs of a kind, sorted by name.

    Args:
        library: the library to look them up in.
        kind: name of their folder.
        shape: model of the specs.
        warn: called for each invalid spec, which is left out; None to raise at the first.

    Raises:
        SpecError: without ``warn``, with all problems of the first invalid spec.

    """
    found = []
    for name in library.names(kind):
        with left_out_if_wrong(kind, name, warn):
            spec, problems = check(adapter_of(kind), library.load(kind, name), shape=shape)
            if spec is None:
                raise SpecError(problems, subject=f"{kind} {name}")
            found.append(spec)
    return found


@contextmanager
def left_out_if_wrong(kind: Kind, name: str, warn: Warn | None) -> Iterator[None]:
    """Turn a SpecError of the block into a warning that names the spec; without ``warn``, let it pass."""
    try:
        yield
    except SpecError as error:
        if warn is None:
            raise
        warn(f"{SINGULAR[kind]} '{name}' is left out: {'; '.join(map(str, error.problems))}")
