"""Find the target of ``benchsuite run``: a suite, a track or a study, by name or as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.specs.loading.kinds import SINGULAR, Kind, guess_kind
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.tree import Node, read

RUNNABLE: tuple[Kind, ...] = ("suites", "tracks", "studies")


@dataclass(frozen=True)
class Target:
    """A spec that can be run, with everything it extends or refers to merged in."""

    kind: Kind
    name: str
    node: Node


def find_target(target: str, library: SpecLibrary) -> Target:
    """Return the spec with a name, or in a YAML file with this path.

    Raises:
        SpecError: if there is no such spec, it is of a kind that cannot be run, or two kinds have the name.

    """
    if Path(target).suffix in {".yaml", ".yml"}:
        path = Path(target)
        kind = guess_kind(path, read(path), library.studies)
        if kind in RUNNABLE:
            return Target(kind, path.stem, library.load_file(kind, path))
        message = f"holds {kind or 'a spec of unknown kind'}; a run needs a suite, a track or a study"
        raise SpecError([Problem(message, str(path))], subject=target)
    kinds = [kind for kind in RUNNABLE if target in library.names(kind)]
    if len(kinds) > 1:
        both = " and ".join(f"a {SINGULAR[kind]}" for kind in kinds)
        raise SpecError([Problem(f"'{target}' is both {both}; rename one")])
    if kinds:
        return Target(kinds[0], target, library.load(kinds[0], target))
    hint = nearest(target, [name for kind in RUNNABLE for name in library.names(kind)])
    counts = ", ".join(f"{len(library.names(kind))} {kind}" for kind in RUNNABLE)
    own = "; yours need --specs FOLDER, or the file's path"
    raise SpecError([Problem(f"no suite, track or study '{target}'{hint} (`benchsuite list` shows {counts}{own})")])
