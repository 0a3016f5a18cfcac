"""Estimate a whole run: its main training and, if it has one, its pretraining."""

from __future__ import annotations

from benchsuite.execution.compatibility import RunWithShapes
from benchsuite.execution.estimate import BYTES_PER_NUMBER, estimate
from benchsuite.execution.planned_run import Estimate
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.pretraining import pretraining_specs


def estimate_run(run: RunWithShapes, registry: Registry) -> Estimate:
    """Return the estimated cost of a run; weight gradients of segments frozen by pretraining are counted too.

    Raises:
        PluginError: if the rule's ``credit_work`` fails, or returns no numbers from zero up.

    """
    spec, data = run.selected.spec, run.data
    config = registry.validated_config(spec.rule.name, spec.rule.config)

    def of_training(shapes: NetworkShapes, protocol: ProtocolSpec) -> Estimate:
        size = BYTES_PER_NUMBER * (2 if spec.hardware.precision == "fp64" else 1)
        about_data = data.train_examples, data.size_bytes, spec.hardware.world_size
        return estimate(shapes, run.rule, config, protocol, *about_data, size)

    main = of_training(run.shapes, spec.protocol)
    if not spec.pretraining.epochs:
        return main
    first = pretraining_specs(spec)
    outputs = spec.protocol.outputs(data.classes)
    shapes = shapes_of(first.architecture, data.input_shape, outputs, registry.architectures)
    return main.after(of_training(shapes, first.protocol))
