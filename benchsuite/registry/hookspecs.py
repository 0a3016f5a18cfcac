"""Every hook of the suite. This file is the manual for plugin authors.

A plugin is a module that an installed distribution names in its entry points::

    [project.entry-points.benchsuite]
    my_rule = "my_package.my_rule"

The module says which contract it was written for and implements any of the hooks below::

    from benchsuite.plugin import hookimpl

    BENCHSUITE_CONTRACT = 1

    @hookimpl
    def benchsuite_rules():
        return [MyRule]

A plugin that cannot be imported, that was written for a newer contract, or that names a hook which does not exist is
left out, and ``benchsuite doctor`` and ``benchsuite list plugins`` show it with the reason. The others go on working.
"""

# Annotations stay text here: reading this file must not import torch.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.registry.markers import hookspec

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule
    from benchsuite.data.kind import DatasetKind
    from benchsuite.data.tensors import DatasetReader
    from benchsuite.diagnostics.contract import Diagnostic
    from benchsuite.networks.builder import ArchitectureBuilder
    from benchsuite.records.model import EpochMetrics, RunRecord
    from benchsuite.specs.models.dataset import PluginDataset
    from benchsuite.specs.models.track import RunSpec


# --- contributions: called once per process, while the registry is built ---------------------------------------------


@hookspec
def benchsuite_rules() -> Sequence[type[Rule]]:
    """Return the rules this plugin provides.

    Called once per process while the registry is built. Must not touch a GPU or read files. An exception here disables
    this plugin only; ``benchsuite list plugins`` shows it with the reason. A name that another plugin has taken too is
    refused for both, with both origins.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_specs() -> Sequence[Path]:
    """Return folders of spec files (``datasets/ architectures/ tracks/ …``; see ``benchsuite.specs.loading.library``).

    Called once per process. The folders are read when a name is looked up; a name that exists twice is an error that
    names both files.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_datasets() -> Mapping[str, DatasetReader | DatasetKind[PluginDataset]]:
    """Return readers of data sets by name, for specs of ``kind: plugin``.

    A reader is called as ``reader(options, data_root)`` and returns a ``DecodedDataset``. It may raise ``DataError``
    with what to put where; anything else is reported as this reader's failure, and nothing is run.

    Instead of a function it may be a ``benchsuite.data.kind.DatasetKind``, which also says whether the files are there
    and how large the data are before they are read, for ``benchsuite data list`` and ``benchsuite plan``::

        return {"my_data": DatasetKind(PluginDataset, read=..., look=..., size=...)}

    The suite's own data sets come in by this hook too (``benchsuite.data.builtin``), so their names are taken.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_architectures() -> Mapping[str, ArchitectureBuilder]:
    """Return builders of networks by name, for specs of ``kind: plugin``.

    A builder is called as ``builder(options, input_shape, classes)`` and returns an architecture spec of a built-in
    kind: plain data from which the suite estimates, checks compatibility and builds. Or a new ``nn.Module``, drawn from
    torch's global stream, whose linear layers are taken over (``benchsuite.plugin.adopt``); it is called twice then,
    once for the network on paper.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_diagnostics() -> Sequence[type[Diagnostic]]:
    """Return the diagnostics this plugin provides; see ``benchsuite.plugin.Diagnostic``."""
    raise AssertionError("a specification, never called")


# --- events: called by the harness, off the clock --------------------------------------------------------------------
# An exception in one of these is shown as a warning and never stops a run or costs its record.


@hookspec
def benchsuite_session_started(runs: Sequence[RunSpec], context: Mapping[str, Any]) -> None:
    """All runs of one command are known and the first is about to start.

    ``context`` has ``store`` (the folder of records, a ``Path``) and ``tracking_uri`` (a string, or None for none).
    """


@hookspec
def benchsuite_run_started(run_id: str, spec: RunSpec, resumed_from_epoch: int) -> None:
    """A run is about to train; ``resumed_from_epoch`` is 0 unless a checkpoint was found."""


@hookspec
def benchsuite_epoch_finished(run_id: str, spec: RunSpec, metrics: EpochMetrics) -> None:
    """An epoch has been trained and, where due, measured."""


@hookspec
def benchsuite_run_finished(record: RunRecord, path: Path) -> None:
    """A run has ended, however it ended, and its record is on disk at ``path``; see ``record.status``."""


@hookspec
def benchsuite_run_failed(record: RunRecord) -> None:
    """A run ended with a status other than completed. Called before ``benchsuite_run_finished`` for the same record."""


@hookspec
def benchsuite_session_finished(records: Sequence[RunRecord]) -> None:
    """All runs of one command have ended, or the command was interrupted; buffers should be flushed now."""
