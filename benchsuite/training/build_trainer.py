"""Build a trainer on a device from the specs of a network, a protocol and a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.networks.shapes.square import require_square_maps
from benchsuite.networks.synchronized_norm import synchronize_norms
from benchsuite.training.device import Device
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks
from benchsuite.training.seeds import generator
from benchsuite.training.trainer import Trainer

if TYPE_CHECKING:
    from benchsuite.data.source import TrainingData
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.models.architecture import ArchitectureSpec
    from benchsuite.specs.models.protocol import ProtocolSpec
    from benchsuite.specs.models.track import RuleSpec

SegmentStates = Mapping[str, Mapping[str, Any]]
"""State dicts of segments, by segment name."""


@dataclass(frozen=True)
class TrainingSpecs:
    """Specs and seeds that a trainer is built from."""

    architecture: ArchitectureSpec
    protocol: ProtocolSpec
    rule: RuleSpec
    seeds: dict[str, int]


def assemble(
    parts: TrainingSpecs,
    data: TrainingData,
    device: Device,
    registry: Registry,
    pretrained: SegmentStates | None = None,
    ranks: Ranks = SINGLE_PROCESS,
    shapes: NetworkShapes | None = None,
) -> Trainer:
    """Build a network, attach its rule, and move both to the device.

    Args:
        parts: specs and seeds.
        data: on the device.
        device: the network and the rule are moved to it.
        registry: provides the rule and plugins' architectures.
        pretrained: states of segments that are loaded and frozen; ``require_pretrainable`` has checked that they fit.
        ranks: the processes that share the run.
        shapes: the network's checked shapes if they are already known for these data; None to work them out.

    Raises:
        IncompatibleError: if the rule cannot work in the network.
        ShapeError: if the protocol's regulariser cannot work in the network.

    """
    if shapes is None:
        outputs = parts.protocol.outputs(data.classes)
        shapes = shapes_of(parts.architecture, data.input_shape, outputs, registry.architectures)
        require_square_maps(parts.protocol, shapes)
    network = build(shapes, generator(parts.seeds, "init"))
    for name, state in (pretrained or {}).items():
        network.segments[name].load_state_dict(dict(state))
    network.freeze(pretrained or ())
    rule = registry.rule(parts.rule.name)(registry.validated_config(parts.rule.name, parts.rule.config))
    rule.attach(network, generator(parts.seeds, "feedback"))
    network.autocast_dtype = device.autocast_dtype
    # After drawing, so that runs in fp64 start from the weights and the feedback of those in fp32.
    network.to(device.torch_device, device.dtype)
    rule.to(device.torch_device, device.dtype)
    if device.dtype == torch.float64:
        for name, state in (pretrained or {}).items():
            network.segments[name].load_state_dict(dict(state))
    if device.synchronizes_norms:
        synchronize_norms(network)
    return Trainer(network, rule, data, parts.protocol, parts.seeds, ranks)
