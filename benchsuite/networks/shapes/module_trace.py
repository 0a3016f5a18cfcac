"""Record a module's linear layers during one forward pass: their shapes and which layer reads which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchsuite.errors import AdoptionError
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.network_shapes import DATA

BATCH = 2
"""Examples in the trial batch; batch norm in training mode refuses a batch of one."""


@dataclass(frozen=True)
class Call:
    """One layer's call in the forward pass."""

    name: str
    layer: nn.Module
    input_shape: Shape
    output_shape: Shape
    """Both shapes are without the batch axis."""
    outputs: int
    """Number of output values per example."""
    sources: tuple[int, ...]
    """Positions, in call order, of the layers its input depends on with no other layer between; or ``DATA``."""


def trace_module(module: nn.Module, layers: Mapping[str, nn.Module], input_shape: Shape) -> tuple[list[Call], int]:
    """Run a batch of zeros through a module in training mode, and restore the module's state afterwards.

    Args:
        module: on any device, also on ``meta``, where nothing is computed.
        layers: the layers to watch, by name.
        input_shape: shape of one example.

    Returns:
        The calls in the order they were made, without layers that were not called; and the width of the output.

    Raises:
        AdoptionError: if the module fails on such a batch, calls a layer twice, or does not return one tensor of
            logits, shape (batch, classes).

    """
    seen: list[tuple[str, Tensor, Tensor]] = []

    def watch(name: str) -> Any:
        def on_forward(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not inputs:
                raise TypeError(f"{name} is given its input by keyword; call it as layer(values)")
            # Keep the tensors: an autograd node keeps its identity only while its tensor is alive.
            seen.append((name, inputs[0], output))

        return on_forward

    first = next(module.parameters())
    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    try:
        with _untouched(module), torch.enable_grad():
            batch = torch.zeros(BATCH, *input_shape, device=first.device, dtype=first.dtype, requires_grad=True)
            logits = module.train()(batch)
    except Exception as error:  # foreign code may raise anything; it failed on this batch
        shape = (BATCH, *input_shape)
        raise AdoptionError(f"{_kind(module)} fails on a batch of shape {shape}: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != BATCH:
        returned = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise AdoptionError(
            f"{_kind(module)} returns {returned} in training mode for a batch of {BATCH}; a network returns one tensor "
            "of logits, shape (batch, classes). Auxiliary heads must go (in torchvision, options: {aux_logits: false})"
        )
    names = [name for name, *_ in seen]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AdoptionError(
            f"{_kind(module)} calls {', '.join(twice)} more than once in a forward pass; each place needs a layer of "
            "its own, since each has its own credit"
        )
    # A layer that the module runs without gradients has no autograd node and gets no credit.
    made_by = {o.grad_fn: position for position, (_, _, o) in enumerate(seen) if o.grad_fn is not None}
    calls = [
        Call(
            name,
            layers[name],
            tuple(inputs.shape[1:]),
            tuple(output.shape[1:]),
            output.numel() // BATCH,
            _sources(inputs, made_by),
        )
        for name, inputs, output in seen
    ]
    return calls, logits.shape[1]


def _sources(values: Tensor, made_by: Mapping[Any, int]) -> tuple[int, ...]:
    """Follow the autograd graph back from ``values`` to the nearest layers on each path."""
    found: set[int] = set()
    waiting, known = [values.grad_fn], {values.grad_fn}
    while waiting:
        node = waiting.pop()
        if node in made_by:
            found.add(made_by[node])
        elif node is not None:
            further = {before for before, _ in node.next_functions} - known
            known |= further
            waiting += further
    return tuple(sorted(found)) or (DATA,)


def _kind(module: nn.Module) -> str:
    return type(module).__name__


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """Restore buffers, modes and torch's global random state when the block ends."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    modes = {part: part.training for part in module.modules()}
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
