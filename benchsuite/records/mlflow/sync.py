"""Bringing a tracking store up to date with a folder of records, and closing what killed processes left running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.mapping import DIGEST_TAG, RUN_ID_TAG, mirror_digest
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.model import RunRecord
from benchsuite.records.running import alive_run_ids
from benchsuite.records.store import BrokenRecord, RecordStore, record_files

GIVE_UP_AFTER = 3
"""Records that fail one after the other before the store counts as down."""

Progress = Callable[[int, int, RunRecord], None]
"""Called as ``progress(done, total, record)`` after each record has been looked at and, where due, written."""


@dataclass(frozen=True)
class SyncReport:
    """What ``sync`` did; the numbers add up to the files found, without ``reconciled``."""

    mirrored: int
    """Written, since MLflow had nothing or something else."""
    unchanged: int
    """Faithfully there already."""
    running: int
    """Left alone, since a live process is making them again."""
    failed: tuple[tuple[str, str], ...]
    """Run id and reason of each that could not be written."""
    not_tried: int
    """Left out after several failures in a row."""
    broken: tuple[BrokenRecord, ...]
    """Files that hold no record."""
    reconciled: int
    """Runs that MLflow showed as running though their process is gone, now closed."""

    @property
    def complete(self) -> bool:
        """Whether every record that can be read is now in MLflow."""
        return not self.failed and not self.not_tried


def sync(store: RecordStore, tracking_uri: str, progress: Progress | None = None) -> SyncReport:
    """Mirror every record that MLflow does not hold faithfully, and close stale runs. Can be repeated at no cost.

    Raises:
        MirrorError: if the tracking store cannot be opened or read; nothing has been changed then.

    """
    mirror = Mirror.open(tracking_uri, store.root)
    held: dict[str, list[str | None]] = {}
    for run in mirror.runs():
        held.setdefault(run.data.tags.get(RUN_ID_TAG, ""), []).append(run.data.tags.get(DIGEST_TAG))
    count: Counter[str] = Counter()
    broken: list[BrokenRecord] = []
    failed: list[tuple[str, str]] = []
    in_a_row = 0
    total = len(record_files(store.records_folder))
    for done, found in enumerate(store.read_all(), start=1):
        if isinstance(found, BrokenRecord):
            broken.append(found)
            continue
        if held.get(found.run_id) == [mirror_digest(found)]:
            count["unchanged"] += 1
        elif in_a_row >= GIVE_UP_AFTER:
            count["not_tried"] += 1
        elif found.run_id in alive_run_ids(store.running_folder):
            count["running"] += 1
        else:
            try:
                mirror.upsert(found)
                count["mirrored"] += 1
                in_a_row = 0
            except MirrorError as error:
                failed.append((found.run_id, str(error)))
                in_a_row += 1
        if progress:
            progress(done, total, found)
    reconciled = 0 if in_a_row else reconcile(mirror, store)
    return SyncReport(
        mirrored=count["mirrored"],
        unchanged=count["unchanged"],
        running=count["running"],
        failed=tuple(failed),
        not_tried=count["not_tried"],
        broken=tuple(broken),
        reconciled=reconciled,
    )


def reconcile(mirror: Mirror, store: RecordStore) -> int:
    """Close the runs that MLflow shows as running though no live process has a marker for them; return how many.

    From the record where there is one, else as killed and interrupted. Runs of other stores are not looked at.

    Raises:
        MirrorError: if the tracking store fails; repeating is safe.

    """
    stale = mirror.runs(condition="attributes.status = 'RUNNING'")
    # Looked up after the search: a run that has ended in between has no marker any more, but it has a record.
    alive = alive_run_ids(store.running_folder)
    closed = 0
    for run in stale:
        run_id = run.data.tags.get(RUN_ID_TAG, "")
        if run_id in alive:
            continue
        record = store.find(run_id)
        if record is not None:
            mirror.upsert(record)
        else:
            mirror.mark_interrupted(run.info.run_id)
        closed += 1
    return closed
