"""torchvision's classifiers by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchsuite.errors import AdoptionError, nearest
from benchsuite.networks.adoption import shapes_of_module, shapes_with
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.architecture import TorchvisionArchitecture


def torchvision_shapes(architecture: TorchvisionArchitecture, input_shape: Shape, classes: int) -> NetworkShapes:
    """Return the shapes of a torchvision classifier, without allocating or computing anything.

    Raises:
        AdoptionError: if torchvision has no such classifier or refuses the options, or it cannot be adopted.

    """
    # Importing torchvision takes as long as importing torch, and most runs do not need it.
    from torchvision import models
    from torchvision.models import list_models

    known = list_models(module=models)
    if architecture.model not in known:
        raise AdoptionError(
            f"torchvision has no classifier '{architecture.model}'{nearest(architecture.model, known)} "
            f"(torchvision.models.list_models() shows all {len(known)})"
        )
    make = partial(_make, architecture.model, tuple(architecture.options.items()), classes)
    try:
        module = _without_memory(make)
    except (TypeError, ValueError) as error:
        raise AdoptionError(f"torchvision's {architecture.model} refuses {architecture.options}: {error}") from error
    plan = shapes_of_module(module, input_shape, classes=classes, unconverted=architecture.unconverted)
    return shapes_with(make, plan, architecture.unconverted)


def _without_memory(make: Callable[[], nn.Module]) -> nn.Module:
    try:
        with torch.device("meta"):
            return make()
    except NotImplementedError:
        # torch raises this if a value of a meta tensor is read: RegNets compute their widths with tensors.
        with torch.random.fork_rng(devices=[]):
            return make().to("meta")


def _make(name: str, options: tuple[tuple[str, object], ...], classes: int) -> nn.Module:
    from torchvision.models import get_model

    module: nn.Module = get_model(name, weights=None, num_classes=classes, **dict(options))
    return module
