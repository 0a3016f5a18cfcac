"""Run a record's spec again, from the record and the installed code alone."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from benchsuite.errors import DataError
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.run import Run
from benchsuite.execution.session import Session
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.dataset import DatasetSpec, PluginDataset


def rerun(record: RunRecord, registry: Registry, data_root: Path) -> RunRecord | None:
    """Run a record's spec again in a temporary store that is deleted afterwards.

    Args:
        record: its spec is run, including seed and hardware.
        registry: provides the rule; no code from the record is executed.
        data_root: folder of data sets.

    Returns:
        The new record, or None if it was interrupted.

    Raises:
        DataError: if the data set is missing, or its path leaves the data root.
        PluginError: if the rule is not installed.
        HardwareError: if this machine lacks what the spec asks for.

    """
    require_inside(record.spec.dataset)
    registry.rule_config(record.spec.rule.name, record.spec.rule.config)
    with TemporaryDirectory(prefix="benchsuite-rerun-") as folder:
        selected = SelectedRun(record.spec, record.command)
        store = RecordStore(Path(folder))
        session = Session([selected], store, registry, data_root, fresh=True)
        session.check()
        if session.refused:
            # Earlier versions wrote a record for pairs that are now refused before anything starts.
            data = DataLoader(data_root, registry).load(record.spec.dataset)
            store.prepare()
            return Run(selected, data, store, registry, fresh=True).execute()
        result = session.execute()
    return None if result.interrupted else result.records[0]


def require_inside(dataset: DatasetSpec) -> None:
    """Raise DataError if a record's data would be read from outside the data root."""
    if isinstance(dataset, PluginDataset) and dataset.options:
        raise DataError(
            f"{dataset.name}: a plugin's reader would get options out of a record, which may be paths; "
            "run it from its spec instead"
        )
    where = getattr(dataset, "path", None)
    if where is not None:
        # Paths of both systems: a record from Windows may be rerun on Linux, and the reverse.
        for path in (PurePosixPath(where), PureWindowsPath(where)):
            if path.is_absolute() or path.drive or ".." in path.parts or where.startswith("~"):
                raise DataError(
                    f"{dataset.name}: its record has the path {where!r}, which leaves the data root and is not "
                    "followed; run it from its spec instead"
                )
