"""Adopt a torch module: its linear layers become linear maps, everything else stays as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from benchsuite.errors import AdoptionError
from benchsuite.networks.maps import Conv2d, Dense, LinearMap
from benchsuite.networks.network import Network
from benchsuite.networks.segments import Dropout, Segment, Spread
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.module_trace import Call, trace_module
from benchsuite.networks.shapes.network_shapes import DATA, NetworkShapes, SegmentShapes
from benchsuite.specs.models.architecture import Initialization, Unconverted

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
"""Norm layers. Credit passes through them exactly; they train on the gradient of what reaches them, as in any
segment."""

SPREADS: dict[Any, Spread] = {
    nn.Dropout: "value",
    nn.Dropout1d: "channel",
    nn.Dropout2d: "channel",
    nn.Dropout3d: "channel",
    "row": "example",
    "batch": "batch",
}
"""The part of a batch that one random draw covers, by torch layer or by the mode of torchvision's stochastic depth."""


class AdoptedSegment(Segment):
    """A linear map in place of a module's linear layer; the module keeps its own norms and nonlinearities.

    The segment's output, where credit is observed, is the map's output.
    """

    def __init__(self, linear_map: LinearMap) -> None:
        super().__init__(linear_map, "identity", None, "norm_first")

    @property
    def weight(self) -> Tensor:
        """The map's weight, for modules that read it from the layer."""
        return self.map.weight

    @property
    def bias(self) -> Tensor | None:
        """The map's bias, for modules that read it from the layer."""
        return self.map.bias


class AdoptedNetwork(Network):
    """A module whose linear layers are segments; the computation between them is known only to autograd.

    Rules that work through autograd (the first mechanism) can train it. Rules that hand credit to segments directly
    cannot. The topology of its shapes is ``adopted``.

    Attributes:
        module: the module, changed in place.

    """

    def __init__(self, shapes: NetworkShapes, module: nn.Module, segments: Mapping[str, Segment]) -> None:
        super().__init__(shapes, [("module", module)])
        self._sources = None
        self.segments = dict(segments)
        self.maps = {name: segment.map for name, segment in segments.items()}

    @property
    def module(self) -> nn.Module:
        """The module that was adopted."""
        return self.nodes["module"]


def adopt(
    module: nn.Module, input_shape: Shape, *, classes: int | None = None, unconverted: Unconverted = "refuse"
) -> AdoptedNetwork:
    """Turn a module into a network that rules of the first mechanism can train.

    Each ``nn.Linear`` and ``nn.Conv2d`` that a forward pass calls is replaced, within the module, by a linear map with
    the same parameters. The function stays the same to the last bit, but the keys of ``state_dict`` change: load
    weights before. ``nn.Dropout``, channel dropout and torchvision's stochastic depth are replaced by the suite's
    ``Dropout``, which draws from the run's own stream. Any other random layer draws from torch's global stream, which
    the seeds of a run do not set.

    Args:
        module: a classifier; changed in place.
        input_shape: shape of one example.
        classes: required number of logits; any number if not given.
        unconverted: treatment of parameters outside linear layers and norms (attention, embeddings, the module's own
            parameters): 'refuse' the module, or train them with the 'exact' gradient of the credit that reaches them.
            Their names are in ``shapes.exact_parameters``, after those of norms.

    Raises:
        AdoptionError: if the module fails on a batch, calls a layer twice, returns no logits, calls no linear layer, or
            has parameters elsewhere. The message names the layers.

    """
    if type(module) in (nn.Linear, nn.Conv2d):
        module = nn.Sequential(module)
    plan = shapes_of_module(module, input_shape, classes=classes, unconverted=unconverted)
    layers = dict(module.named_modules())
    segments = {segment.name: AdoptedSegment(_map_of(layers[path])) for segment, path in plan.paths}
    replaced: dict[nn.Module, nn.Module] = {layers[path]: segments[segment.name] for segment, path in plan.paths}
    replaced |= {part: dropout for part in layers.values() if (dropout := _dropout_of(part)) is not None}
    # A layer may be registered under two names: replace it under each.
    for part in layers.values():
        for name, child in part._modules.items():
            if child in replaced:
                part._modules[name] = replaced[child]
    return AdoptedNetwork(plan.shapes, module, segments)


@dataclass(frozen=True)
class AdoptionPlan:
    """The shapes of a module, with the path of each segment's layer within the module."""

    shapes: NetworkShapes
    paths: tuple[tuple[SegmentShapes, str], ...]


def shapes_of_module(
    module: nn.Module, input_shape: Shape, *, classes: int | None = None, unconverted: Unconverted = "refuse"
) -> AdoptionPlan:
    """Return which layers would become segments and which nodes each reads; the module is not changed.

    Raises:
        AdoptionError: as ``adopt``.

    """
    kind = type(module).__name__
    if not any(True for _ in module.parameters()):
        raise AdoptionError(f"{kind} has no parameters, so that there is nothing to train")
    linear = {path: part for path, part in module.named_modules() if _is_convertible(part)}
    calls, width = trace_module(module, linear, input_shape)
    if not calls:
        raise AdoptionError(f"{kind} calls no nn.Linear and no nn.Conv2d, so that no rule has a weight to work on")
    taken = {id(parameter) for call in calls for parameter in call.layer.parameters()}
    others = _others(module, taken)
    strange = [name for name, _, is_norm in others if not is_norm]
    if strange and unconverted == "refuse":
        raise AdoptionError(
            f"{kind} has parameters outside linear maps and norms: {_shortened(strange)}; with unconverted: exact they "
            "are trained by the exact gradient of what reaches them, under any rule"
        )
    if classes not in (None, width):
        raise AdoptionError(f"{kind} returns {width} logits; the data have {classes} classes")
    names = _names(calls)
    nodes = [_segment_shapes(name, call) for name, call in zip(names, calls, strict=True)]
    ordered = sorted(others, key=lambda other: not other[2])
    plan = NetworkShapes(
        input_shape,
        width,
        tuple(nodes),
        topology="adopted",
        sources=tuple(call.sources for call in calls),
        exact_parameters=tuple(name for name, *_ in ordered),
        further_parameters=sum(n for _, n, _ in others),
    )
    return AdoptionPlan(plan, tuple(zip(nodes, (call.name for call in calls), strict=True)))


def made_module(make: Callable[[], nn.Module], generator: Generator) -> nn.Module:
    """Return a new module whose own initialisation draws from a stream seeded from ``generator``."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def shapes_with(make: Callable[[], nn.Module], plan: AdoptionPlan, unconverted: Unconverted) -> NetworkShapes:
    """Return the shapes of a module that ``build`` creates again with ``make``."""
    return replace(plan.shapes, make_module=make, unconverted=unconverted)


def _is_convertible(layer: nn.Module) -> bool:
    # Exact types only: a subclass may compute something else.
    if type(layer) is nn.Conv2d:
        return layer.padding_mode == "zeros" and _padding(layer) is not None
    return type(layer) is nn.Linear


def _map_of(layer: nn.Module) -> LinearMap:
    make: Callable[..., LinearMap] = Conv2d if isinstance(layer, nn.Conv2d) else Dense
    with torch.device("meta"):  # allocates no memory; the weights are replaced below
        linear_map = make(**_options(layer), bias=layer.bias is not None)
    for name, parameter in layer.named_parameters(recurse=False):
        setattr(linear_map, name, parameter)
    return linear_map


def _options(layer: nn.Module) -> dict[str, Any]:
    if isinstance(layer, nn.Conv2d):
        return {
            "input_channels": layer.in_channels,
            "channels": layer.out_channels,
            "kernel": _plain(layer.kernel_size),
            "stride": _plain(layer.stride),
            "padding": _padding(layer),
            "dilation": _plain(layer.dilation),
            "groups": layer.groups,
        }
    assert isinstance(layer, nn.Linear)  # noqa: S101 - nothing else is convertible
    return {"inputs": layer.in_features, "units": layer.out_features}


def _dropout_of(layer: nn.Module) -> Dropout | None:
    # torchvision is slow to import, and a module can hold its layer only if it is already imported.
    stochastic_depth = getattr(sys.modules.get("torchvision.ops"), "StochasticDepth", ())
    if isinstance(layer, stochastic_depth):
        probability, spread = layer.p, SPREADS[layer.mode]
    elif type(layer) in SPREADS:
        probability, spread = layer.p, SPREADS[type(layer)]
    else:
        return None
    return Dropout(probability, spread) if probability < 1 else None


def _padding(layer: nn.Conv2d) -> int | tuple[int, int] | None:
    """Return the zeros added on each side; None if torch's ``same`` pads the two sides of an axis differently."""
    if layer.padding == "valid":
        return 0
    if layer.padding == "same":
        around = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return None if any(n % 2 for n in around) else _plain((around[0] // 2, around[1] // 2))
    assert isinstance(layer.padding, tuple)  # noqa: S101 - torch turns a number into a pair
    return _plain((layer.padding[0], layer.padding[1]))


def _plain(sizes: tuple[int, ...]) -> int | tuple[int, int]:
    height, width = sizes
    return height if height == width else (height, width)


def _segment_shapes(name: str, call: Call) -> SegmentShapes:
    linear_map = _map_of(call.layer)
    return SegmentShapes(
        name=name,
        map_kind=linear_map.kind,
        input_shape=call.input_shape,
        output_shape=call.output_shape,
        map_options=_options(call.layer),
        bias=linear_map.bias is not None,
        norm="none",
        norm_order="norm_first",
        activation="identity",
        initialization=Initialization(),
        parameters=sum(p.numel() for p in linear_map.parameters()),
        macs=call.outputs * linear_map.fan_in,
        input_channels=call.input_shape[0],
        reads_input=call.sources == (DATA,),
    )


def _names(calls: list[Call]) -> list[str]:
    """Return the layers' paths with dots replaced: buffer names cannot contain dots."""
    names: list[str] = []
    for call in calls:
        name = call.name.replace(".", "_")
        while name in names:
            name += "_"
        names.append(name)
    return names


def _others(module: nn.Module, taken: set[int]) -> list[tuple[str, int, bool]]:
    """Return (path, size, is in a norm) for each trainable parameter outside the segments, in order."""
    found = []
    for path, part in module.named_modules():
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in taken:
                taken.add(id(parameter))
                found.append((f"{path}.{name}" if path else name, parameter.numel(), isinstance(part, NORMS)))
    return found


def _shortened(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
