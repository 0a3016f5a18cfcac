"""Results of ``run``: records, tables, and the leaderboard page of the store."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from benchsuite.api.display import Displayed, Part, counted
from benchsuite.api.frames import Unit
from benchsuite.api.records import Records
from benchsuite.api.row_names import find_names, find_plans, find_validity
from benchsuite.api.sites import Warn, build_store_site
from benchsuite.api.study_records import study_tables
from benchsuite.api.workspace import Workspace
from benchsuite.execution.planned_run import RefusedPair
from benchsuite.execution.session import SessionResult
from benchsuite.records.store import RecordStore
from benchsuite.records.study import StudyRecord
from benchsuite_leaderboard.site import BuildReport

if TYPE_CHECKING:
    import pandas

    from benchsuite.specs.loading.resolve import SelectedRun

FAILED_STATUSES = frozenset({"crashed", "out_of_memory"})


@dataclass(frozen=True, repr=False)
class Results(Displayed):
    """Results of a suite, a track or a study.

    Attributes:
        records: records of all runs that have one, earlier ones included.
        study: the record, if the target is a study.
        store: store of the records.
        reused: ids of runs that were finished before and not run again.
        refused: pairs of rule and network that cannot work; nothing was run for them.
        interrupted: True if the runs were stopped; calling ``run`` again continues them.
        is_rank0: False in the processes of a ``torchrun`` that write nothing.

    """

    records: Records
    store: RecordStore
    study: StudyRecord | None = None
    reused: frozenset[str] = frozenset()
    refused: tuple[RefusedPair, ...] = ()
    interrupted: bool = False
    is_rank0: bool = True
    is_study: bool = False
    workspace: Workspace | None = field(default=None, repr=False)

    @property
    def failed(self) -> Records:
        """Runs that crashed or ran out of memory. Divergence is a result, not a failure."""
        return Records(record for record in self.records if record.status in FAILED_STATUSES)

    def __repr__(self) -> str:
        """Return the counts in one line."""
        if self.is_study:
            done = "interrupted" if self.study is None else self.study.spec.name
            return f"<Results: study {done}>"
        states = [f"{len(self.reused)} found from earlier"] if self.reused else []
        states += [f"{len(self.failed)} failed"] if self.failed else []
        states += [f"{counted(len(self.refused), 'pair')} refused"] if self.refused else []
        states += ["interrupted"] if self.interrupted else []
        return f"<Results: {', '.join([counted(len(self.records), 'run'), *states])}>"

    def parts(self) -> Sequence[Part]:
        """Return the tables, and a line for each refused pair."""
        return [*self.tables(), *map(str, self.refused)]

    def tables(self) -> Sequence[Part]:
        """Return the tables that ``benchsuite run`` prints on stdout."""
        of_study = [] if self.study is None else study_tables(self.study)
        return [*self.records.parts(), *of_study]

    def to_frame(self, per: Unit = "runs") -> pandas.DataFrame:
        """Return one row per run, per epoch (``"epochs"``) or per diagnostic value, as a pandas data frame.

        Raises:
            BenchsuiteError: if pandas is not installed.

        """
        return self.records.to_frame(per)

    def build_site(self, warn: Warn = warnings.warn) -> BuildReport:
        """Build or renew the leaderboard page of the whole store; ``.index`` is the page to open.

        Args:
            warn: called with a message about anything left out.

        Raises:
            StoreError: if its folder cannot be written, or holds something else.

        """
        return build_store_site(self.store, self.workspace, warn)

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite run --json`` prints it."""
        if self.study is not None:
            return {"store": str(self.store.root), "study": self.study.model_dump(mode="json")}
        return {
            "store": str(self.store.root),
            "interrupted": self.interrupted,
            "refused": [asdict(pair) for pair in self.refused],
            "records": [record.model_dump(mode="json") for record in self.records],
        }


def results_of_session(
    made: SessionResult, runs: Sequence[SelectedRun], store: RecordStore, workspace: Workspace, is_rank0: bool
) -> Results:
    """Return the results of a session's runs."""
    find = partial(find_names, workspace=workspace, selected=[run.spec for run in runs])
    plans = partial(find_plans, workspace=workspace)
    return Results(
        Records(
            made.records,
            find_names=find,
            find_plans=plans,
            find_validity=partial(find_validity, workspace=workspace),
            timings=store.usable_timings(),
        ),
        store,
        reused=frozenset(made.reused),
        refused=made.refused,
        interrupted=made.interrupted,
        is_rank0=is_rank0,
        workspace=workspace,
    )
