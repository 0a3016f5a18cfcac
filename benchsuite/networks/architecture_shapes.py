"""Work out the shapes of a network from its architecture's spec, whichever kind of architecture it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from benchsuite.errors import PluginError, ShapeError, nearest
from benchsuite.networks.adoption import shapes_of_module, shapes_with
from benchsuite.networks.plugin_builder import ArchitectureBuilder as ArchitectureBuilder
from benchsuite.networks.plugin_builder import call_builder
from benchsuite.networks.resnet import expand_resnet
from benchsuite.networks.shapes.custom import CustomChain
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.infer import infer_shapes
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.networks.torchvision_models import torchvision_shapes
from benchsuite.specs.models.architecture import (
    ArchitectureSpec,
    PluginArchitecture,
    ResNetArchitecture,
    TorchvisionArchitecture,
)
from benchsuite.specs.models.pretraining import PretrainingSpec


def shapes_of(
    architecture: ArchitectureSpec,
    input_shape: Shape,
    classes: int,
    builders: Mapping[str, ArchitectureBuilder] | None = None,
) -> NetworkShapes:
    """Return a network's shapes; a spec that names a plugin's builder is passed to that builder.

    Raises:
        ShapeError: if the layers do not fit together.
        PluginError: if no plugin provides the builder, or the builder fails.

    """
    if isinstance(architecture, PluginArchitecture):
        known = builders or {}
        if architecture.builder not in known:
            hint = nearest(architecture.builder, known)
            raise PluginError(
                f"architecture '{architecture.name}': no plugin provides the builder '{architecture.builder}'{hint}"
            )
        make: Callable[[], Any] = partial(call_builder, known[architecture.builder], architecture, input_shape, classes)
        with torch.random.fork_rng(devices=[]):  # the module initialises from the global stream
            built = make()
        if isinstance(built, nn.Module):
            found = shapes_of_module(built, input_shape, classes=classes, unconverted=architecture.unconverted)
            return shapes_with(make, found, architecture.unconverted)
        if isinstance(built, CustomChain):
            return infer_shapes(built, input_shape, classes)
        return shapes_of(built, input_shape, classes)
    if isinstance(architecture, TorchvisionArchitecture):
        return torchvision_shapes(architecture, input_shape, classes)
    if isinstance(architecture, ResNetArchitecture):
        architecture = expand_resnet(architecture)
    return infer_shapes(architecture, input_shape, classes)


def require_pretrainable(
    pretraining: PretrainingSpec,
    architecture: ArchitectureSpec,
    input_shape: Shape,
    classes: int,
    builders: Mapping[str, ArchitectureBuilder] | None = None,
) -> None:
    """Check, from shapes alone, that the segments kept from pretraining exist in the run's network.

    Raises:
        ShapeError: if a segment is missing in either network or has a different map there. The message names it.
        PluginError: if no plugin provides a network's builder.

    """
    if not pretraining.epochs:
        return
    plans = {
        "the pretraining's network": shapes_of(
            pretraining.architecture or architecture, input_shape, classes, builders
        ),
        "the run's network": shapes_of(architecture, input_shape, classes, builders),
    }
    for name in pretraining.keep:
        found = []
        for network, plan in plans.items():
            segments = {s.name: s for s in plan.segments}
            if name not in segments:
                raise ShapeError(f"pretraining.keep: no segment '{name}' in {network}{nearest(name, segments)}")
            segment = segments[name]
            found.append((segment.map_kind, segment.map_options, segment.bias, segment.norm))
        if found[0] != found[1]:
            maps = " and ".join(f"{kind} {options}" for kind, options, *_ in found)
            raise ShapeError(f"pretraining.keep: segment '{name}' is not the same in both networks: {maps}")
