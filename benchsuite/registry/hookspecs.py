"""All hooks of the suite. This file is the manual for plugin authors.

A plugin is a module that an installed distribution names in its entry points::

    [project.entry-points.benchsuite]
    my_rule = "my_package.my_rule"

The module states the contract version it was written for and implements any of the hooks below::

    from benchsuite.plugin import hookimpl

    BENCHSUITE_CONTRACT = 2

    @hookimpl
    def benchsuite_rules():
        return [MyRule]

A plugin is skipped if it cannot be imported (whatever it raises), was written for a newer contract, names a hook that
does not exist, or uses a name of the suite's own. ``benchsuite doctor`` and ``benchsuite list plugins`` show it with
the reason; ``run`` and ``plan`` say it too. The other plugins still work.

``list``, ``info`` and ``claims`` describe contributions from the user's cache folder, without importing plugins, until
a file that plugins imported changes. So contributions must depend on code alone, not on environment variables.
"""

# Annotations stay strings here, because importing this file must not import torch.
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
    from benchsuite.networks.architecture_shapes import ArchitectureBuilder
    from benchsuite.records.model import DiagnosticValue, EpochMetrics, RunRecord, StepDiagnosticValue
    from benchsuite.specs.models.dataset import PluginDataset
    from benchsuite.specs.models.track import RunSpec
    from benchsuite.studies.contract import Study


# --- contributions: called once per process, while the registry is built ---------------------------------------------


@hookspec
def benchsuite_rules() -> Sequence[type[Rule]]:
    """Return the rules of this plugin.

    Called once per process while the registry is built. Must not use a GPU or read files. An exception here disables
    only this plugin; ``benchsuite list plugins`` shows it with the reason. If two plugins use the same name, neither
    gets it, and the error names both origins. The suite's own names are not available: a plugin that uses one of them
    is left out.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_specs() -> Sequence[Path]:
    """Return folders of spec files (``datasets/ architectures/ tracks/ …``; see ``benchsuite.specs.loading.library``).

    Called once per process. The folders are read when a name is looked up. A name that exists twice is an error, which
    names both files.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_datasets() -> Mapping[str, DatasetReader | DatasetKind[PluginDataset]]:
    """Return readers of data sets by name, for specs of ``kind: plugin``.

    A reader is called as ``reader(options, data_root)`` and returns a ``DecodedDataset``. It may raise ``DataError``
    that says which files to put where; any other exception is reported as this reader's failure, and nothing is run.

    Instead of a function it may be a ``benchsuite.data.kind.DatasetKind``, which also tells ``benchsuite data list``
    and ``benchsuite plan`` whether the files exist and how large the data are, before they are read::

        return {"my_data": DatasetKind(PluginDataset, read=..., look=..., size=...)}

    The suite's own data sets use this hook too (``benchsuite.data.builtin``), so their names are not available.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_architectures() -> Mapping[str, ArchitectureBuilder]:
    """Return builders of networks by name, for specs of ``kind: plugin``.

    A builder is called as ``builder(options, input_shape, classes)``. It returns either an architecture of a built-in
    kind, from which the suite estimates costs, checks compatibility and builds the network: as plain data with the
    fields of a spec file (``{"kind": "chain", "layers": [...]}``) or as a model (``ChainArchitecture(...)``); or a
    ``CustomChain``, whose layers may have linear maps, modules and nonlinearities of the plugin's own; or a new
    ``nn.Module``, initialized from torch's global random stream, whose linear layers are adopted
    (``benchsuite.plugin.adopt``). With a module the builder is called twice, once only to read the network's shapes. An
    exception in it is reported as this builder's failure, and nothing is run.
    """
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_diagnostics() -> Sequence[type[Diagnostic]]:
    """Return the diagnostics of this plugin; see ``benchsuite.plugin.Diagnostic``."""
    raise AssertionError("a specification, never called")


@hookspec
def benchsuite_studies() -> Sequence[type[Study[Any, Any]]]:
    """Return the kinds of studies of this plugin; see ``benchsuite.plugin.Study``.

    A class's ``kind`` is what spec files in ``studies/`` say in ``kind:``, its ``Spec`` is the model of such a file.
    ``benchsuite run`` calls its ``run`` and records the result; the site and the terminal show what its ``summarize``
    returns. The suite's own studies use this hook too. Called once per process; importing the module must not use a
    GPU, and should not import torch before ``run``.
    """
    raise AssertionError("a specification, never called")


# --- events: called by the harness, off the clock --------------------------------------------------------------------
# Whatever one of these raises is shown as a warning, ``sys.exit`` too; it never stops a run or loses its record.


@hookspec
def benchsuite_session_started(runs: Sequence[RunSpec], context: Mapping[str, Any]) -> None:
    """Called when all runs of one command are known and the first is about to start.

    ``context`` has ``store`` (the folder of records, a ``Path``) and ``tracking_uri`` (a string, or None for none).
    """


@hookspec
def benchsuite_run_started(run_id: str, spec: RunSpec, resumed_from_epoch: int) -> None:
    """Called before a run trains; ``resumed_from_epoch`` is 0 unless a checkpoint was found."""


@hookspec
def benchsuite_steps_taken(run_id: str, epoch: int, step: int, steps: int) -> None:
    """Called within an epoch, at most twice a second, for displays; not called for runs on a cluster.

    ``step`` of the ``steps`` of this ``epoch`` (from 1) have been issued; a GPU may be some steps behind.
    """


@hookspec
def benchsuite_epoch_finished(run_id: str, spec: RunSpec, metrics: EpochMetrics) -> None:
    """Called after an epoch has been trained and, if due, evaluated."""


@hookspec
def benchsuite_diagnostics_measured(
    run_id: str, spec: RunSpec, values: Sequence[DiagnosticValue | StepDiagnosticValue]
) -> None:
    """Called before training and after an epoch, with the values of diagnostics measured since the last call, if any.

    They were measured after the epoch of the last ``benchsuite_epoch_finished``, or between its steps.
    """


@hookspec
def benchsuite_run_finished(record: RunRecord, path: Path) -> None:
    """Called after a run has ended with any ``record.status`` and its record is on disk at ``path``."""


@hookspec
def benchsuite_run_failed(record: RunRecord) -> None:
    """Called after a run ended with a status other than completed, before ``benchsuite_run_finished``."""


@hookspec
def benchsuite_session_finished(records: Sequence[RunRecord]) -> None:
    """Called after all runs of one command have ended or the command was interrupted; flush buffers here."""
