"""Precision audits: compare a rule's update on a track's own initial state with float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchsuite.api.options import PathLike, Paths, Settings, Tier, make_selection
from benchsuite.api.workspace import open_workspace
from benchsuite.conformance.audit.precision import THRESHOLD, measure_precision
from benchsuite.data.roots import find_data_root
from benchsuite.errors import IncompatibleError
from benchsuite.execution.initial_state import initial_state
from benchsuite.execution.loading import DataLoader
from benchsuite.records.audit import PrecisionAudit
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import resolve
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.device import resolve_hardware

MakePrecisionAudits = Callable[[str], tuple[PrecisionAudit, ...]]
"""Returns the precision audits of the rule of this name, one per track."""


@dataclass(frozen=True)
class PrecisionOptions:
    """Tracks whose initial state and number format rules are measured in.

    Attributes:
        tracks: names or files; none for no measurement.
        tier: as for ``plan``.
        set: fields to override, as for ``plan``.
        hardware: name or path of a hardware spec, which says the number format.
        data_root: folder of data sets.
        specs: folders of the user's own specs.

    """

    tracks: tuple[str, ...] = ()
    tier: Tier | None = None
    set: Settings = None
    hardware: PathLike = "auto"
    data_root: PathLike | None = None
    specs: Paths = None


def precision_auditor(rules: Sequence[str], options: PrecisionOptions) -> MakePrecisionAudits:
    """Resolve all tracks for these rules, and return the function that measures one of the rules.

    Raises:
        SpecError: if a track or a setting is wrong; raised before anything is measured.
        DataError: by the returned function, if a data set is missing.

    """
    runs: dict[str, list[RunSpec]] = {name: [] for name in rules}
    workspace = open_workspace(options.specs)
    for track in options.tracks:
        selection = make_selection(track, rules, [0], options.tier, options.set, options.hardware)
        library = open_workspace(options.specs, track).library
        for selected in resolve(selection, library, workspace.registry, resolve_hardware):
            runs[selected.spec.rule.name].append(selected.spec)
    loader = DataLoader(find_data_root(options.data_root), workspace.registry, keep=1)

    def audits(rule: str) -> tuple[PrecisionAudit, ...]:
        return tuple(_measured(spec, workspace.registry, loader) for spec in runs[rule])

    return audits


def _measured(spec: RunSpec, registry: Registry, loader: DataLoader) -> PrecisionAudit:
    config = registry.validated_config(spec.rule.name, spec.rule.config)
    reference_config = registry.rule(spec.rule.name).reference_config(config).model_dump(mode="json")
    report = partial(
        PrecisionAudit,
        track=spec.track,
        tier=spec.tier,
        seed=spec.seed,
        examples=spec.diagnostics.examples,
        config=config.model_dump(mode="json"),
        reference_config=reference_config,
        number_format=spec.hardware.precision,
        threshold=THRESHOLD,
    )
    try:
        own = initial_state(spec, registry, loader)
        reference = initial_state(spec, registry, loader, reference_config)
    except IncompatibleError as error:
        return report(reason=str(error))
    own.rule.before_training()
    found = measure_precision(own.rule, reference.rule, own.batch)
    return report(device=own.device_name, segments=found.segments, uncertainty=found.uncertainty)
