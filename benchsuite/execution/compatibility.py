"""Compatibility of rules and networks, checked from shapes alone before anything starts, for ``plan`` and ``run``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchsuite.credit.rule import Rule
from benchsuite.credit.traits import RuleTraits, incompatibilities
from benchsuite.errors import PluginError, Problem, ShapeError, SpecError
from benchsuite.execution.batch_sizes import require_batches_for_norms
from benchsuite.networks.run_shapes import shapes_of_run
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import Origin, Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.architecture import PluginArchitecture
from benchsuite.specs.models.dataset import DatasetSpec
from benchsuite.specs.models.hardware import Precision
from benchsuite.specs.models.track import RunSpec

if TYPE_CHECKING:
    from benchsuite.execution.plan import DataShape


@dataclass(frozen=True)
class RunWithShapes:
    """A run with the shapes of its network.

    Attributes:
        selected: the run and its command.
        data: shape of its data set.
        rule: class of its rule.
        shapes: shapes of its network.
        refused: reasons why the rule cannot work in the network or the number format, one sentence each; empty if it
            can.

    """

    selected: SelectedRun
    data: DataShape
    rule: type[Rule]
    shapes: NetworkShapes
    refused: tuple[str, ...]


def infer_run_shapes(
    runs: Sequence[SelectedRun], registry: Registry, shape_of: Callable[[DatasetSpec], DataShape]
) -> list[RunWithShapes]:
    """Return every run with the shapes of its network and the reasons why its rule cannot work in it, if any.

    Args:
        runs: all runs of one request; runs that differ only in rule or seed share the shapes.
        registry: provides rules and plugins' architectures.
        shape_of: returns the shape of a data set; called once for each.

    Raises:
        SpecError: if networks cannot be built for their data; names all of them.
        PluginError: if a rule or an architecture is not installed, or its builder fails.

    """
    data_shapes: dict[str, DataShape] = {}
    all_shapes: dict[str, NetworkShapes] = {}
    problems: dict[str, None] = {}
    with_shapes = []
    for run in runs:
        spec = run.spec
        dataset = spec.dataset.model_dump_json()
        if dataset not in data_shapes:
            data_shapes[dataset] = shape_of(spec.dataset)
        data, network = data_shapes[dataset], _network_key(spec)
        rule = registry.rule(spec.rule.name)
        builders = _builders_of(spec, registry)
        try:
            if network not in all_shapes:
                found = shapes_of_run(spec, data.input_shape, data.classes, registry.architectures)
                require_batches_for_norms(spec, found, data.train_examples)
                _require_segments_of_rates(spec, found)
                all_shapes[network] = found
        except ShapeError as error:
            problems[f"architecture '{spec.architecture.name}' on {spec.dataset.name}: {error}"] = None
            continue
        except PluginError as error:
            raise PluginError(f"{error} (provided by {' and '.join(map(str, builders))})") from error
        shapes = all_shapes[network]
        refused = (
            *incompatibilities(rule.traits, shapes, spec.protocol.loss_name),
            *_too_coarse(rule.traits, spec.hardware.precision),
        )
        with_shapes.append(RunWithShapes(run, data, rule, shapes, refused))
    if problems:
        raise SpecError([Problem(message) for message in problems])
    return with_shapes


def _builders_of(spec: RunSpec, registry: Registry) -> list[Origin]:
    """Return the origins of plugins' builders of a run's networks; raises PluginError if one is not installed."""
    networks = [spec.architecture, spec.pretraining.architecture]
    names = [network.builder for network in networks if isinstance(network, PluginArchitecture)]
    for name in names:
        registry.architecture(name)
    return [registry.origins["architecture", name] for name in dict.fromkeys(names)]


FORMATS: tuple[Precision, ...] = ("bf16", "tf32", "fp32", "fp64")
"""Number formats of matrix products, the coarsest first."""


def _too_coarse(traits: RuleTraits, precision: Precision) -> list[str]:
    """Return the reason why a run's number format is too coarse for a rule; empty if it is not."""
    if FORMATS.index(precision) >= FORMATS.index(traits.min_precision):
        return []
    return [
        f"needs products in {traits.min_precision} or finer, since rounding would decide its credit; "
        f"hardware.precision is {precision}"
    ]


def _require_segments_of_rates(spec: RunSpec, shapes: NetworkShapes) -> None:
    """Raise ShapeError if a learning rate is for segments that the network does not have."""
    names = [segment.name for segment in shapes.segments]
    optimizers = {"protocol.optimizer": spec.protocol.optimizer}
    for number, stage in enumerate(spec.protocol.stages):
        if stage.optimizer:
            optimizers[f"protocol.stages.{number}.optimizer"] = stage.optimizer
    for field, optimizer in optimizers.items():
        if unused := optimizer.unused_rates(names):
            fits = " or ".join(map(repr, unused))
            raise ShapeError(f"{field}.rates: no segment fits {fits}; there are {', '.join(names)}")


def _network_key(spec: RunSpec) -> str:
    return spec.model_dump_json(include={"dataset", "architecture", "pretraining", "protocol"})
