"""The interface of a linear map, and backward passes through a feedback weight instead of its own weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchsuite.errors import ShapeError
from benchsuite.networks.maps.factorization import Factorization


class LinearMap(nn.Module, ABC):
    """A learnable linear map with an optional bias; subclasses define its three operations.

    Attributes:
        weight: the forward weight W.
        bias: added after the map, or None.
        feedback_weight: if set, cotangents are pulled back through it instead of through W. Same shape as W. Set it
            during a forward pass with ``replaced_feedback``.

    """

    kind: ClassVar[str]
    """The map's name in traits and shapes, e.g. ``dense``."""

    def __init__(self, weight_shape: tuple[int, ...], bias_shape: int | tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(weight_shape))
        self.bias = nn.Parameter(torch.zeros(bias_shape)) if bias else None
        self.feedback_weight: Tensor | None = None

    # --- the interface: every map defines these ---

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """Number of inputs that one output sums over."""

    @property
    @abstractmethod
    def fan_out(self) -> int:
        """Number of outputs that one input reaches."""

    @abstractmethod
    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the map's output for ``inputs`` under ``weight``."""

    @abstractmethod
    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the cotangent at the input for a cotangent at the output: the transposed map under ``weight``."""

    @abstractmethod
    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient of ``<cotangent, map(inputs)>`` with respect to the weight; shape of the weight."""

    @abstractmethod
    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the gradient of ``<cotangent, map(inputs)>`` with respect to the bias; shape of the bias."""

    # --- optional: maps that have an inverse ---

    def factorize(self, weight: Tensor) -> Factorization:
        """Return the inverse of the map under ``weight``, factorized once for any number of outputs.

        Does not synchronise with the host: the factorization's ``singular`` tells whether there is an inverse.

        Raises:
            ShapeError: if maps of this kind or shape have no inverse.

        """
        raise ShapeError(f"a {self.kind} map has no inverse")

    # --- derived from the interface ---

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return the cotangent at the input through ``weight``, the weight's gradient and the bias's gradient.

        One call for all three, so that a map can override it with a fused operation.
        """
        pulled = self.pull_back(cotangent, weight, inputs.shape) if needs_input else None
        bias_gradient = self.bias_gradient(cotangent) if self.bias is not None else None
        return pulled, self.weight_gradient(inputs, cotangent), bias_gradient

    def push_forward(
        self,
        inputs: Tensor,
        weight: Tensor,
        inputs_change: Tensor,
        weight_change: Tensor | None = None,
        bias_change: Tensor | None = None,
    ) -> Tensor:
        """Return the change of the output along changes of inputs, weight and bias: its forward-mode derivative."""
        # The class's own product: an audit that counts how often the map responds replaces the instance's.
        kind = type(self)
        by_inputs = kind.apply_weight(self, inputs_change, weight, bias_change)
        return by_inputs if weight_change is None else by_inputs + kind.apply_weight(self, inputs, weight_change)

    def add_gradients(self, inputs: Tensor, cotangent: Tensor) -> None:
        """Add the weight's and the bias's gradient for a cotangent at the output to ``.grad``, in the weight's dtype.

        A frozen parameter gets none.
        """
        if self.is_trained:
            with torch.no_grad():
                _, *gradients = self.backward_through(inputs.to(cotangent.dtype), cotangent, self.weight, False)
                self.accumulate(*gradients)

    @property
    def is_trained(self) -> bool:
        """True unless weight and bias are both frozen."""
        return any(p is not None and p.requires_grad for p in (self.weight, self.bias))

    def accumulate(self, weight_gradient: Tensor | None, bias_gradient: Tensor | None) -> None:
        """Add gradients to ``.grad``, in each parameter's dtype; a frozen parameter gets none."""
        for parameter, gradient in ((self.weight, weight_gradient), (self.bias, bias_gradient)):
            if parameter is not None and gradient is not None and parameter.requires_grad:
                gradient = gradient.to(parameter.dtype)
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    def draw(self, fill: Callable[[Tensor], object], fill_bias: Callable[[Tensor], object] | None) -> None:
        """Draw the weight, then the bias if there is one and ``fill_bias`` is given.

        A map whose weight holds several banks of filters draws each bank separately, since some schemes (orthogonal)
        depend on a bank as a whole.

        Args:
            fill: fills a weight whose first axis is outputs and whose other axes are the inputs of one output.
            fill_bias: fills a bias; None leaves it unchanged.

        """
        fill(self.weight)
        if fill_bias is not None and self.bias is not None:
            fill_bias(self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the map's output; the backward pass uses ``feedback_weight`` if it is set."""
        if self.feedback_weight is None:
            return self.apply_weight(inputs, self.weight, self.bias)
        return through_feedback(inputs, self, self.feedback_weight)


def map_kinds() -> frozenset[str]:
    """Return the kinds of all linear maps defined so far, including those of plugins."""

    def below(linear_map: type[Any]) -> set[str]:
        found = {derived.kind for derived in linear_map.__subclasses__() if hasattr(derived, "kind")}
        return found.union(*(below(derived) for derived in linear_map.__subclasses__()))

    return frozenset(below(LinearMap))


def through_feedback(inputs: Tensor, linear_map: LinearMap, feedback_weight: Tensor) -> Tensor:
    """Return the map's output; the backward pass is the map's own operations with ``feedback_weight``."""
    output: Tensor = _ReplacedFeedback.apply(inputs, linear_map.weight, linear_map.bias, feedback_weight, linear_map)
    return output


class _ReplacedFeedback(torch.autograd.Function):
    """Forward through the weight, backward through the feedback weight.

    ``forward`` takes ``ctx`` itself: a separate ``setup_context`` makes a whole training step on 784-1024-512-10 4 %
    slower (torch 2.15, CPU).
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, feedback_weight: Tensor, linear_map: LinearMap
    ) -> Tensor:
        ctx.save_for_backward(inputs, feedback_weight)
        ctx.save_for_forward(inputs, weight)
        ctx.linear_map = linear_map
        return linear_map.apply_weight(inputs, weight, bias)

    @staticmethod
    def jvp(ctx: Any, inputs_change: Tensor, weight_change: Tensor, bias_change: Tensor | None, *_: object) -> Tensor:
        # Forward-mode derivatives are those of the forward pass, whatever the feedback weight.
        inputs, weight = ctx.saved_tensors
        change: Tensor = ctx.linear_map.push_forward(inputs, weight, inputs_change, weight_change, bias_change)
        return change

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        inputs, feedback_weight = ctx.saved_tensors
        if inputs.dtype != cotangent.dtype or feedback_weight.dtype != cotangent.dtype:
            # Under autocast the cotangent has the low-precision dtype and the saved tensors do not; autograd casts the
            # results back to each input's dtype.
            inputs, feedback_weight = inputs.to(cotangent.dtype), feedback_weight.to(cotangent.dtype)
        pulled, weight_gradient, bias_gradient = ctx.linear_map.backward_through(
            inputs, cotangent, feedback_weight, ctx.needs_input_grad[0]
        )
        return pulled, weight_gradient, bias_gradient, None, None


@contextmanager
def replaced_feedback(maps: Mapping[str, LinearMap], feedback_weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Use these feedback weights instead of the maps' own weights in backward passes of forward passes in the block.

    Blocks may be nested; when an inner block ends, the outer block's feedback weights are set again.

    Args:
        maps: the network's maps by segment name.
        feedback_weights: by segment name, each in the shape of the map's weight; a segment that is not named keeps its
            current feedback weight.

    Raises:
        ShapeError: if a name is not a segment, or a shape differs from the map's weight; nothing is replaced then.
    """
    for name, feedback_weight in feedback_weights.items():
        if name not in maps:
            raise ShapeError(f"feedback weight for '{name}': no such segment; there are {', '.join(maps)}")
        if feedback_weight.shape != maps[name].weight.shape:
            shapes = f"shape {tuple(feedback_weight.shape)}, its weight {tuple(maps[name].weight.shape)}"
            raise ShapeError(f"feedback weight for '{name}' has {shapes}")
    before = {name: maps[name].feedback_weight for name in feedback_weights}
    # Bypasses nn.Module's slower assignment, which looks for parameters and buffers first: this runs every step.
    for name, feedback_weight in feedback_weights.items():
        maps[name].__dict__["feedback_weight"] = feedback_weight
    try:
        yield
    finally:
        for name, earlier in before.items():
            maps[name].__dict__["feedback_weight"] = earlier
