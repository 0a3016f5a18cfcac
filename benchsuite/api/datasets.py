"""Data sets: list those on this machine, fetch one, verify one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from benchsuite.api.display import Displayed, Part, counted
from benchsuite.api.fitting import Column, FittedTable
from benchsuite.api.options import PathLike, Paths
from benchsuite.api.workspace import Workspace, open_workspace
from benchsuite.data.availability import availability
from benchsuite.data.load import load_dataset
from benchsuite.data.roots import find_data_root
from benchsuite.data.verification import DatasetContent, check_dataset
from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.models.dataset import DatasetSpec


@dataclass(frozen=True)
class DatasetState:
    """Availability of a data set on this machine.

    Attributes:
        found: True if a run would find it without a download.
        detail: its place, or the missing files and what to do.

    """

    found: bool
    detail: str


class DatasetStates(Displayed, Mapping[str, DatasetState]):
    """Availability of each data set on this machine, by name."""

    def __init__(self, data_root: Path, states: Mapping[str, DatasetState]) -> None:
        self.data_root = data_root
        """Folder of data sets."""
        self._states = dict(states)

    def __getitem__(self, name: str) -> DatasetState:
        """Return the state of one data set."""
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._states)

    def __len__(self) -> int:
        """Return the number of data sets."""
        return len(self._states)

    def __repr__(self) -> str:
        """Return the number of data sets found, in one line."""
        return f"<DatasetStates: {sum(s.found for s in self.values())} of {len(self)} in {self.data_root}>"

    def parts(self) -> Sequence[Part]:
        """Return a line with the folder of data sets, and a table of states."""
        table = FittedTable([Column("name"), Column("state"), Column("detail", wraps=True)], header=False)
        for name, state in sorted(self.items(), key=lambda item: not item[1].found):
            mark = Text("found", style="green") if state.found else Text("missing", style="yellow")
            table.add_row(name, mark, self._inside(state.detail))
        found = sum(state.found for state in self.values())
        return [table, f"{found} of {counted(len(self), 'data set')} found in {self.data_root}"]

    def _inside(self, detail: str) -> str:
        """Return a detail with paths inside the data root relative to it, which the last line names."""
        return detail.replace(f"{self.data_root}{os.sep}", "")

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite data list --json`` prints it."""
        return {"data_root": str(self.data_root), "datasets": {name: asdict(state) for name, state in self.items()}}


@dataclass(frozen=True)
class FetchedDataset(DatasetState):
    """A data set after ``fetch_dataset``.

    Attributes:
        fetched: True if this call fetched files; False if they were there already.

    """

    name: str
    fetched: bool


@dataclass(frozen=True)
class DatasetReport(Displayed):
    """Result of reading and checking a whole data set.

    Attributes:
        name: name of the data set.
        problem: description of the problem; empty if there is none.
        content: description of the content; None if it cannot be read.

    """

    name: str
    problem: str
    content: DatasetContent | None

    @property
    def is_right(self) -> bool:
        """True if the data set is present and correct."""
        return not self.problem

    def parts(self) -> Sequence[Part]:
        """Return the lines that the command prints."""
        content, lines = self.content, []
        if content is not None:
            published = {True: "as published", False: "not as published", None: "no checksums are published"}
            sizes = f"{content.train_examples:,} training and {content.test_examples:,} test examples"
            shape = "x".join(map(str, content.input_shape))
            lines = [
                f"{self.name}: {sizes} of {shape}, {content.classes} classes",
                f"fingerprint  {content.fingerprint}",
                f"files        {published[content.canonical]}",
            ]
        return [*lines, self.problem or "right"]

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite data verify --json`` prints it."""
        content = {"fingerprint": None, "canonical": None} if self.content is None else asdict(self.content)
        return {"name": self.name, "right": self.is_right, "problem": self.problem, **content}


def dataset_states(*, data_root: PathLike | None = None, specs: Paths = None) -> DatasetStates:
    """Return the availability of every data set on this machine. No content is read.

    Args:
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.

    Example:
        >>> import benchsuite as bs
        >>> bs.dataset_states()["digits"]
        DatasetState(found=True, detail='comes with scikit-learn')

    """
    workspace, root = open_workspace(specs), find_data_root(data_root)
    return DatasetStates(root, {name: _state(name, workspace, root) for name in workspace.library.names("datasets")})


def fetch_dataset(name: str, *, data_root: PathLike | None = None, specs: Paths = None) -> FetchedDataset:
    """Put a data set's files under the data root, as the first run on it would: unpacked, downloaded or generated.

    Args:
        name: name of a data set.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.

    Raises:
        SpecError: if there is no such data set, or its spec is wrong.
        DataError: if it cannot be fetched.

    """
    workspace, root = open_workspace(specs), find_data_root(data_root)
    spec = _spec_named(name, workspace)
    before = availability(spec, root, workspace.registry.datasets)
    load_dataset(spec, root, workspace.registry.datasets)
    there = availability(spec, root, workspace.registry.datasets)
    # Files that a run would unpack or generate already count as found, with another detail.
    return FetchedDataset(there.found, there.detail, name, there != before)


def verify_dataset(name: str, *, data_root: PathLike | None = None, specs: Paths = None) -> DatasetReport:
    """Read a whole data set, check it and compute its fingerprint. Nothing is downloaded.

    For ImageNet, every image is decoded once, on all cores; before that, prepared packs are checked against the
    checksums from when they were made.

    Args:
        name: of a data set.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.

    Returns:
        A report: ``.is_right``, ``.problem``, ``.content``.

    Raises:
        SpecError: if there is no such data set, or its spec is wrong.

    Example:
        >>> import benchsuite as bs
        >>> report = bs.verify_dataset("digits")
        >>> report.is_right, report.content.train_examples
        (True, 1437)

    """
    workspace, root = open_workspace(specs), find_data_root(data_root)
    content, problem = check_dataset(_spec_named(name, workspace), root, workspace.registry.datasets)
    return DatasetReport(name, problem, content)


def _state(name: str, workspace: Workspace, root: Path) -> DatasetState:
    spec, problems = _read_spec(name, workspace)
    if spec is None:
        return DatasetState(found=False, detail=str(problems[0]))
    there = availability(spec, root, workspace.registry.datasets)
    return DatasetState(there.found, there.detail)


def _spec_named(name: str, workspace: Workspace) -> DatasetSpec:
    spec, problems = _read_spec(name, workspace)
    if spec is None:
        raise SpecError(problems, subject=f"data set '{name}'")
    return spec


def _read_spec(name: str, workspace: Workspace) -> tuple[DatasetSpec | None, list[Problem]]:
    try:
        return check(adapter_of("datasets"), workspace.library.load("datasets", name), shape=DatasetSpec)
    except SpecError as error:
        return None, error.problems
