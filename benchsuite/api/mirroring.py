"""MLflow beside the runs of one request: who starts its process, and who waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from benchsuite.records.mlflow.process import forget_process, kept_process

if TYPE_CHECKING:
    from benchsuite.api.session_options import SessionOptions
    from benchsuite.api.workspace import Workspace
    from benchsuite.records.mlflow.beside import RecorderBeside
    from benchsuite.records.mlflow.plugin import MlflowRecorder
    from benchsuite.records.study import StudyRecord
    from benchsuite.records.tuning import TuningRecord
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.models.track import RunSpec

_left: ContextVar[list[RecorderBeside] | None] = ContextVar("left_to_command", default=None)
"""Mirrors that the command finishes after it has shown the results; None outside a command."""


@contextmanager
def mirrored_beside(tracking_uri: str | None, say: Callable[[str], None]) -> Iterator[None]:
    """Start the mirror's process at once, and wait for it after the block, which shows the results.

    Args:
        tracking_uri: as the command was given it; ``"none"`` for no mirror.
        say: shows a line of what the mirror has done.

    Raises:
        KeyboardInterrupt: if interrupted while it waits; only the mirror is not complete then.

    """
    if tracking_uri == "none" or os.environ.get("RANK", "0") != "0":
        yield
        return
    kept_process()
    left: list[RecorderBeside] = []
    token = _left.set(left)
    try:
        yield
        for recorder in left:
            report = recorder.finish(say)
            if report is not None and report.mirrored:
                say(f"MLflow: {report.mirrored} run{'s' * (report.mirrored > 1)} mirrored in {report.place}")
    finally:
        _left.reset(token)
        forget_process()


def session_recorder(
    tracking_uri: str | None, warn: Callable[[str], None], specs: Iterable[RunSpec], workspace: Workspace
) -> MlflowRecorder | RecorderBeside:
    """Return the plugin that mirrors a session: in a process beside it, or here if none can be started.

    Args:
        tracking_uri: address of MLflow's store; None for no mirror.
        warn: called with the one warning of a session.
        specs: the session's runs, whose tracks and rules get titles and colours.
        workspace: the session's plugins and spec files.

    """
    from benchsuite.api.mirror_labels import labels_of_runs
    from benchsuite.records.mlflow.beside import RecorderBeside
    from benchsuite.records.mlflow.plugin import MlflowRecorder

    if tracking_uri is None:
        return MlflowRecorder(warn=warn)
    labels = labels_of_runs(specs, workspace.registry, workspace.library)
    process = kept_process()
    return MlflowRecorder(warn=warn, labels=labels) if process is None else RecorderBeside(process, warn, labels)


def mirror_study(
    record: StudyRecord, options: SessionOptions, workspace: Workspace, warn: Callable[[str], None]
) -> None:
    """Mirror the record of a study that was just made; warn if that fails."""
    if options.tracking_uri is None:
        return
    recorder = session_recorder(options.tracking_uri, warn, (), workspace)
    context = {"store": options.store.root, "tracking_uri": options.tracking_uri}
    recorder.benchsuite_session_started([record], context)
    recorder.study_finished(options.store.studies_folder / f"{record.study_id}.json")
    recorder.benchsuite_session_finished()
    finish_mirror(recorder)


def mirror_tunings(records: Sequence[TuningRecord], options: SessionOptions, registry: Registry) -> None:
    """Mirror the records of tunings if the request has a mirror; warn if that fails."""
    from benchsuite.api.mirror_labels import labels_of_runs
    from benchsuite.api.workspace import find_specs
    from benchsuite.process import stdout_to_stderr
    from benchsuite.records.mlflow import tunings

    if records and options.tracking_uri:
        labels = labels_of_runs((record.spec.run for record in records), registry, find_specs(registry=registry))
        with stdout_to_stderr():
            tunings.mirror_tunings(records, options.tracking_uri, options.store.root, labels)


def finish_mirror(recorder: MlflowRecorder | RecorderBeside) -> None:
    """Wait until MLflow has all of a session, or leave that to the command.

    Raises:
        KeyboardInterrupt: if interrupted while it waits; only the mirror is not complete then.

    """
    from benchsuite.records.mlflow.beside import RecorderBeside

    left = _left.get()
    if not isinstance(recorder, RecorderBeside):
        return
    if left is None:
        recorder.finish()
    else:
        left.append(recorder)
