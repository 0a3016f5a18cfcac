"""Bring a tracking store up to date with a store of records, and close the runs that killed processes left running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.connection import exclusive
from benchsuite.records.mlflow.contained import AnyRecord, digests_by_name, wanted_records
from benchsuite.records.mlflow.database import set_aside_if_damaged
from benchsuite.records.mlflow.labels import NO_LABELS, Labels
from benchsuite.records.mlflow.mapping import RUN_ID_TAG
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.uris import TrackingUri
from benchsuite.records.running import alive_run_ids
from benchsuite.records.store import BrokenRecord, RecordStore, record_files

GIVE_UP_AFTER = 3
"""Number of consecutive failures after which the store counts as down."""

Progress = Callable[[int, int, AnyRecord], None]
"""Called as ``progress(done, total, record)`` after each record has been checked and, if needed, written."""


@dataclass(frozen=True)
class SyncReport:
    """The result of ``sync``; the counts without ``reconciled`` add up to the number of files found."""

    mirrored: int
    """Records written, because MLflow had nothing or something different."""
    unchanged: int
    """Records already mirrored correctly."""
    running: int
    """Records skipped, because a live process is repeating their runs."""
    failed: tuple[tuple[str, str], ...]
    """Id of the run or tuning, and reason, of each record that could not be written."""
    not_tried: int
    """Records skipped after several failures in a row."""
    broken: tuple[BrokenRecord, ...]
    """Files that contain no valid record."""
    reconciled: int
    """Runs that MLflow showed as running although their process had ended; they are closed now."""

    @property
    def complete(self) -> bool:
        """True if every readable record is now in MLflow."""
        return not self.failed and not self.not_tried


def sync(
    store: RecordStore, tracking_uri: str, progress: Progress | None = None, labels: Labels = NO_LABELS
) -> SyncReport:
    """Mirror every record that MLflow lacks or has in an old version, and close stale runs. Idempotent.

    A damaged database of the store's own is set aside with a warning, and made anew from the records.

    Args:
        store: the records.
        tracking_uri: address of the tracking store.
        progress: called after each record.
        labels: names of tracks and colours of rules.

    Raises:
        MirrorError: if the tracking store cannot be opened or read; nothing is changed then.

    """
    try:
        report = _sync(store, tracking_uri, progress, labels)
        reason = report.failed[0][1] if report.failed else ""
    except MirrorError as error:
        if not _made_anew(store, tracking_uri, str(error)):
            raise
        return _sync(store, tracking_uri, progress, labels)
    if reason and _made_anew(store, tracking_uri, reason):
        return _sync(store, tracking_uri, progress, labels)
    return report


def _made_anew(store: RecordStore, tracking_uri: str, reason: str) -> bool:
    """Set a damaged database aside, so that the next opening makes a new one; return False if it is not damaged."""
    uri = TrackingUri(tracking_uri)
    with exclusive(uri):
        return set_aside_if_damaged(uri, store.root, reason)


def _sync(store: RecordStore, tracking_uri: str, progress: Progress | None, labels: Labels) -> SyncReport:
    mirror = Mirror.open(tracking_uri, store.root, labels)
    with mirror.writing("hide MLflow's empty experiment"):
        mirror.experiments.hide_default()
    digests = digests_by_name(mirror)
    count: Counter[str] = Counter()
    broken: list[BrokenRecord] = []
    failed: list[tuple[str, str]] = []
    in_a_row = 0
    total = len(record_files(store.records_folder, store.tunings_folder, store.studies_folder))
    for done, found in enumerate(wanted_records(mirror, store), start=1):
        if isinstance(found, BrokenRecord):
            broken.append(found)
            continue
        if digests.get(found.name) == [found.digest]:
            count["unchanged"] += 1
        elif in_a_row >= GIVE_UP_AFTER:
            count["not_tried"] += 1
        elif found.name in alive_run_ids(store.running_folder):
            count["running"] += 1
        else:
            try:
                found.upsert()
                count["mirrored"] += 1
                in_a_row = 0
            except MirrorError as error:
                failed.append((found.name, str(error)))
                in_a_row += 1
        if progress:
            progress(done, total, found.record)
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
    """Close the runs that MLflow shows as running although no live process has a marker for them; return their number.

    A run with a record is completed from it; one without is marked as killed and interrupted. Runs of other stores are
    ignored.

    Raises:
        MirrorError: if the tracking store fails; it is safe to repeat.

    """
    stale = mirror.runs(condition="attributes.status = 'RUNNING'")
    # Read after the search: a run that has ended in between has no marker any more, but it has a record.
    alive = alive_run_ids(store.running_folder)
    closed = 0
    for run in stale:
        run_id = run.data.tags.get(RUN_ID_TAG, "")
        if run_id in alive or not run_id:  # without an id: of a tuning that another process is mirroring
            continue
        record = store.find(run_id)
        if record is not None:
            mirror.upsert(record)
        else:
            mirror.mark_interrupted(run.info.run_id)
        closed += 1
    return closed
