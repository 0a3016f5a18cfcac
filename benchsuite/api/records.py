"""Read records of runs from folders; show them as tables, rows and data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from benchsuite.api.display import Displayed, Part, counted
from benchsuite.api.frames import Unit, rows_of, to_frame
from benchsuite.api.options import PathLike, Paths, as_paths, store_folder
from benchsuite.api.row_names import FindNames, FindPlans, FindValidity, find_names, find_plans, find_validity
from benchsuite.api.tables import results_table
from benchsuite.errors import EmptySelectionError
from benchsuite.records.model import RunRecord, RunStatus
from benchsuite.records.reading import BrokenRecord
from benchsuite.records.store import (
    RecordStore,
    read_folder,
    read_timings,
    read_tunings,
    timing_folders,
    tuning_folders,
)
from benchsuite.results.model import TrackTable
from benchsuite.results.tables import summarize
from benchsuite.specs.models.base import Tier

if TYPE_CHECKING:
    import pandas

    from benchsuite.records.timing import TimingRecord
    from benchsuite.records.tuning import TuningRecord
    from benchsuite.results.validity import Validity


class Records(Displayed, Sequence[RunRecord]):
    """Records of runs, in the order they were read.

    Args:
        records: records of runs.
        broken: files that hold no usable record.
        find_names: finds the names of variants for the tables; from the installed specs if not given.
        find_plans: finds the planned comparisons of tracks, likewise.
        find_validity: finds the thresholds of validity checks, likewise.
        timings: timing records, from which tables take costs.
        tunings: records of tunings, by which tuned rows find the timing of their rule.

    """

    def __init__(
        self,
        records: Iterable[RunRecord] = (),
        broken: Iterable[BrokenRecord] = (),
        find_names: FindNames = find_names,
        find_plans: FindPlans = find_plans,
        find_validity: FindValidity = find_validity,
        timings: Iterable[TimingRecord] = (),
        tunings: Iterable[TuningRecord] = (),
    ) -> None:
        self._records = tuple(records)
        self._find_names = find_names
        self._find_plans = find_plans
        self._find_validity = find_validity
        self.broken = tuple(broken)
        """Files that hold no usable record, with the reason."""
        self.timings = tuple(timings)
        """Timing records, from which tables take costs."""
        self._tunings = tuple(tunings)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> RunRecord | Records:
        """Return one record, or some of them."""
        return self._some(self._records[index]) if isinstance(index, slice) else self._records[index]

    def _some(self, records: Iterable[RunRecord]) -> Records:
        return Records(
            records,
            find_names=self._find_names,
            find_plans=self._find_plans,
            find_validity=self._find_validity,
            timings=self.timings,
            tunings=self._tunings,
        )

    def __iter__(self) -> Iterator[RunRecord]:
        """Iterate over the records."""
        return iter(self._records)

    def __repr__(self) -> str:
        """Return the counts in one line."""
        runs, rules, tracks = (
            counted(len(n), w) for n, w in ((self, "run"), (self.rules, "rule"), (self.tracks, "track"))
        )
        broken = f", {counted(len(self.broken), 'broken file')}" if self.broken else ""
        return f"<Records: {runs} of {rules} on {tracks}{broken}>"

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks, sorted."""
        return tuple(sorted({record.spec.track for record in self}))

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules, sorted."""
        return tuple(sorted({record.spec.rule.name for record in self}))

    @property
    def tables(self) -> list[TrackTable]:
        """One table per set of comparable conditions: means over seeds with intervals, ranks, gaps and costs."""
        return summarize(
            self,
            names=self._find_names(self),
            plans=self._find_plans(self.tracks),
            timings=self.timings,
            validity=self._find_validity(self),
            tunings=self._tunings,
        )

    def select(
        self,
        *,
        track: str | None = None,
        rule: str | None = None,
        tier: Tier | None = None,
        status: RunStatus | None = None,
    ) -> Records:
        """Return the matching records; names may be patterns such as ``"mnist*"``, ``rule`` also a variant's name.

        A variant's name selects the records that were made under it.
        """
        return self._some(
            record
            for record in self
            if (track is None or fnmatchcase(record.spec.track, track))
            and (rule is None or any(fnmatchcase(n, rule) for n in (record.spec.rule.name, record.spec.rule.title)))
            and tier in {None, record.spec.tier}
            and status in {None, record.status}
        )

    def parts(self) -> Sequence[Part]:
        """Return a table per set of comparable conditions."""
        return [results_table(table) for table in self.tables]

    def rows(self, per: Unit = "runs") -> list[dict[str, Any]]:
        """Return plain rows: one per run, per epoch of a run, diagnostic value or validity check of a run."""
        return list(rows_of(self, per, self._validity_for(per)))

    def to_frame(self, per: Unit = "runs") -> pandas.DataFrame:
        """Return the same rows as a pandas data frame.

        Raises:
            BenchsuiteError: if pandas is not installed.

        """
        return to_frame(self, per, self._validity_for(per))

    def _validity_for(self, per: Unit) -> Validity | None:
        return self._find_validity(self) if per == "validity" else None


def load_records(folders: Paths = None, *, store: PathLike | None = None) -> Records:
    """Read the records of runs in some folders and their subfolders.

    A file without a usable record does not stop the reading: it is listed in ``.broken`` with the reason.

    Args:
        folders: one or several folders; the store's own records if not given.
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.

    Returns:
        The records, as a sequence with ``.table()``, ``.to_frame()``, ``.select(…)`` and ``.broken``.

    Raises:
        EmptySelectionError: if one of the folders does not exist.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules="backprop", seeds=2, tier="smoke")
        >>> records = bs.load_records()
        >>> records
        <Records: 2 runs of 1 rule on 1 track>
        >>> [record.spec.seed for record in records.select(rule="back*")]
        [0, 1]

    """
    chosen = _folders(folders, store)
    missing = [str(folder) for folder in chosen if not folder.is_dir()]
    if missing:
        raise EmptySelectionError(f"no folder {', '.join(missing)}; `benchsuite run quickstart` makes records")
    return read_records(chosen)


def _folders(folders: Paths, store: PathLike | None) -> list[Path]:
    return as_paths(folders) or [RecordStore(store_folder(store)).records_folder]


def read_records(folders: Paths = None, *, store: PathLike | None = None) -> Records:
    """Read records like ``load_records``, but treat a missing folder as empty."""
    chosen = _folders(folders, store)
    found = [record for folder in chosen for record in read_folder(folder)]
    timings = list(read_timings(*timing_folders(chosen)))
    tunings = [record for folder in tuning_folders(chosen) for record in read_tunings(folder)]
    return Records(
        (record for record in found if isinstance(record, RunRecord)),
        (record for record in (*found, *timings, *tunings) if isinstance(record, BrokenRecord)),
        timings=(timing for timing in timings if not isinstance(timing, BrokenRecord)),
        tunings=(tuning for tuning in tunings if not isinstance(tuning, BrokenRecord)),
    )


def as_records(given: Iterable[RunRecord] | PathLike) -> Records:
    """Return the given records, or the records of a folder."""
    if isinstance(given, Records):
        return given
    return load_records(given) if isinstance(given, str | Path) else Records(given)  # type: ignore[arg-type]
