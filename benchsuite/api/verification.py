"""Verify records: check the file, and optionally repeat the run and compare the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.options import PathLike, Paths, as_paths
from benchsuite.api.study_records import record_problems
from benchsuite.errors import BenchsuiteError, EmptySelectionError
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_document
from benchsuite.records.store import record_files
from benchsuite.records.transfer import Record
from benchsuite.records.tuning import TuningRecord

if TYPE_CHECKING:
    from benchsuite.records.comparison import Comparison


@dataclass(frozen=True)
class Verification:
    """Result of verifying one file.

    Attributes:
        path: the file.
        problems: problems of the record.
        comparison: comparison with a repeat of the same run; None if it was not repeated.

    """

    path: Path
    problems: tuple[str, ...] = ()
    comparison: Comparison | None = None

    @property
    def is_right(self) -> bool:
        """True if there are no problems, and a repeated run gave the same numbers."""
        return not self.problems and not (self.comparison and self.comparison.differences)

    def parts(self) -> list[str]:
        """Return the lines that the command prints."""
        if self.problems:
            return [f"{self.path}: {problem}" for problem in self.problems]
        found = self.comparison
        if found is None:
            return [f"{self.path}: right"]
        changed = [f"  differs here: {difference}" for difference in found.changed]
        differing = [f"  differs: {difference}" for difference in found.differences]
        criterion = "every number equal" if found.expects_equality else "final errors within the tolerance"
        verdict = f"{len(found.differences)} differences" if found.differences else f"confirmed, {criterion}"
        return [*changed, *differing, f"{self.path}: run again, {verdict}"]

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite verify --json`` prints it."""
        if self.comparison is None:
            return {"problems": list(self.problems)}
        return {
            "problems": list(self.problems),
            "expected_equal": self.comparison.expects_equality,
            "changed": [asdict(d) | {"text": str(d)} for d in self.comparison.changed],
            "differences": [asdict(d) | {"text": str(d)} for d in self.comparison.differences],
        }


def verify(
    files: Paths,
    *,
    rerun: bool = False,
    error_tolerance: float = 0.01,
    data_root: PathLike | None = None,
    on_rerun: Callable[[RunRecord], None] = lambda record: None,
) -> Iterator[Verification]:
    """Check records: types, names and hashes, and all that follows from spec and data; with ``rerun`` the numbers too.

    Args:
        files: records, or folders of records.
        rerun: repeat each record's run, in a temporary store, and compare.
        error_tolerance: largest difference between final errors (fractions) if hardware or versions differ; if they do
            not, every number must be equal.
        data_root: folder of data sets, for repeated runs.
        on_rerun: called with each record before its run is repeated.

    Yields:
        The result of each file, as soon as it is known.

    Raises:
        EmptySelectionError: if there are no records.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules="backprop", seeds=1, tier="smoke")
        >>> [check.is_right for check in bs.verify(results.store.records_folder)]
        [True]

    """
    given = as_paths(files)
    paths = record_files(*given)
    if not paths:
        raise EmptySelectionError(f"no records in {', '.join(map(str, given))}")

    def checks() -> Iterator[Verification]:
        for path in paths:
            record = read_document(path)
            problems = [record.reason] if isinstance(record, BrokenRecord) else record_problems(record, path)
            if problems or isinstance(record, BrokenRecord) or not rerun:
                yield Verification(path, tuple(problems))
            else:
                yield _run_again(path, record, error_tolerance, data_root, on_rerun)

    return checks()


def _run_again(
    path: Path,
    record: Record,
    error_tolerance: float,
    data_root: PathLike | None,
    on_rerun: Callable[[RunRecord], None],
) -> Verification:
    # Imported late: checks without a rerun need no torch.
    from benchsuite.data.roots import find_data_root
    from benchsuite.execution.rerun import rerun
    from benchsuite.records.comparison import Tolerances, compare
    from benchsuite.registry import manager

    if isinstance(record, TuningRecord):
        problem = f"--rerun is for runs; `{record.command}` makes a tuning in another store again"
        return Verification(path, (problem,))
    if not isinstance(record, RunRecord):
        problem = f"--rerun is for runs; `benchsuite run {record.spec.name} --fresh` makes a study again"
        return Verification(path, (problem,))
    on_rerun(record)
    try:
        new = rerun(record, manager.installed_registry(), find_data_root(data_root))
    except BenchsuiteError as error:
        return Verification(path, (f"cannot be run again here: {error}",))
    if new is None:
        raise KeyboardInterrupt
    return Verification(path, comparison=compare(record, new, Tolerances(error=error_tolerance)))
