"""Processes that make tracks: several if there is much to do, started while their work is still being found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType

from benchsuite_leaderboard import scan
from benchsuite_leaderboard.garbage import no_collections
from benchsuite_leaderboard.track_job import TrackJob, build_track


class TrackProcesses:
    """Processes of one build; this process alone does the work if that is faster.

    Used in a ``with`` block, at whose end they are gone.
    """

    def __init__(self, most: int) -> None:
        """Start nothing yet.

        Args:
            most: largest number of processes.

        """
        self._most = most
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> TrackProcesses:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def start(self) -> None:
        """Start all of them: they need most of a second to import their code, and may do so beside this process."""
        if self._most > 1:
            for _ in range(self._most):
                self._running().submit(_nothing)

    def make(self, jobs: Sequence[TrackJob]) -> Iterator[bytes]:
        """Yield what ``build_track`` returns for each job, in their order, as soon as it is there."""
        if min(self._most, len(jobs)) < 2 or sum(job.size for job in jobs) <= scan.FEW_RECORDS:
            yield from map(_build_undisturbed, jobs)
            return
        # The longest first, so that no process ends long after the others.
        order = sorted(jobs, key=lambda job: -job.size)
        futures: dict[str, Future[bytes]] = {
            job.track: self._running().submit(_build_undisturbed, job) for job in order
        }
        yield from (futures[job.track].result() for job in jobs)

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: the command may have started threads by now.
            self._pool = ProcessPoolExecutor(self._most, mp_context=get_context("spawn"))
        return self._pool


def _build_undisturbed(job: TrackJob) -> bytes:
    with no_collections():
        return build_track(job)


def _nothing() -> None:
    """Have a process import this module, and with it all that a track needs."""
