"""Linear maps of vector units: each unit has K components.

A segment that reads the data has weights of its own for every component, the others share theirs over components.
Activations have shape (batch, K, channels, ...); which of the first two axes varies faster in memory is left to whoever
makes them, since some products are faster one way and some the other.

A cotangent at a map's output that is *structured*, one number a unit times one vector an example (``credit ⊗ error``),
has cheaper forms of the map's operations. In a vectorized network the exact gradient has this structure too (Clark et
al. 2021, section 3), so they serve backprop as well as GEVB.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite.networks.maps.conv2d import Conv2d
from benchsuite.networks.maps.dense import Dense
from benchsuite.networks.maps.linear_map import LinearMap
from benchsuite.networks.maps.locally_connected import LocallyConnected2d
from benchsuite.networks.memory_order import examples_first


class VectorMap(LinearMap):
    """A linear map whose outputs are vector units.

    Attributes:
        components: K, components of a unit.

    """

    components: int

    @abstractmethod
    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the weight's and the bias's gradient for the cotangent ``credit ⊗ error`` at the output.

        Args:
            inputs: what the map was applied to.
            credit: one number a unit, shape (batch, channels, ...).
            error: shape (batch, K).

        """

    @abstractmethod
    def pull_back_credit(self, credit: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the credit at the input, one number a unit, for one at the output: both stand before ``⊗ error``.

        Args:
            credit: shape (batch, channels, ...).
            weight: W, or a feedback weight of its shape.
            input_shape: (batch, input channels, ...), without components.

        """

    def add_structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> None:
        """Add both gradients for ``credit ⊗ error`` to ``.grad``, in its type; a frozen parameter gets none."""
        if self.is_trained:
            with torch.no_grad():
                self.accumulate(*self.structured_gradients(inputs.to(credit.dtype), credit, error.to(credit.dtype)))


class _SharedOverComponents(VectorMap):
    """Reads vector units: the same weight for every component; a bias has a value for each."""

    def __init__(self, *sizes: Any, components: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.components = components
        if self.bias is not None:
            self.bias = nn.Parameter(self.bias.new_zeros(components, *self.bias.shape))

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        merged, split = _merge(inputs)
        outputs = split(super().apply_weight(merged, weight))  # type: ignore[safe-super]
        if bias is None:
            return outputs
        # Under autocast the products are narrow; a wide bias would make the activations wide again.
        return outputs + bias.to(outputs.dtype).view(*bias.shape, *[1] * (outputs.dim() - 1 - bias.dim()))

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        merged, split = _merge(cotangent)
        inner_shape = torch.Size((len(merged), *input_shape[2:]))
        return split(super().pull_back(merged, weight, inner_shape))  # type: ignore[safe-super]

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        return super().weight_gradient(inputs.flatten(0, 1), cotangent.flatten(0, 1))  # type: ignore[safe-super]

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        components = cotangent.unbind(1)
        return torch.stack([super(_SharedOverComponents, self).bias_gradient(c) for c in components])  # type: ignore[safe-super]

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        # Not the map's own fused call: its bias has no components.
        return LinearMap.backward_through(self, inputs, cotangent, weight, needs_input)

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        # Presynaptic activity with the error first: what is left has one number a unit, K times less.
        contracted = torch.bmm(error.unsqueeze(1), inputs.flatten(2)).view(len(inputs), *inputs.shape[2:])
        return super().weight_gradient(contracted, credit), self._structured_bias_gradient(credit, error)  # type: ignore[safe-super]

    def _structured_bias_gradient(self, credit: Tensor, error: Tensor) -> Tensor | None:
        if self.bias is None:
            return None
        if credit.dim() > self.bias.dim():
            credit = credit.flatten(2).sum(2)  # a convolution's bias, summed over positions
        return error.t().mm(credit.flatten(1)).view(self.bias.shape)

    def pull_back_credit(self, credit: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        return super().pull_back(credit, weight, input_shape)  # type: ignore[safe-super]


class _OfTheData(VectorMap):
    """Reads the data: its weight's outputs are K banks of channels, one a component, the first bank first.

    The authors' code writes the data K times into an input that is zero elsewhere and multiplies all of it.
    """

    def __init__(self, components: int, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.components = components

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._by_component(super().apply_weight(inputs, weight, bias))  # type: ignore[safe-super]

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        return super().pull_back(cotangent.flatten(1, 2), weight, input_shape)  # type: ignore[safe-super]

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        return super().weight_gradient(inputs, cotangent.flatten(1, 2))  # type: ignore[safe-super]

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        return super().bias_gradient(cotangent.flatten(1, 2))  # type: ignore[safe-super]

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        cotangent = torch.einsum("bk,b...->bk...", error, credit)
        bias_gradient = None if self.bias is None else self.bias_gradient(cotangent)
        return self.weight_gradient(inputs, cotangent), bias_gradient

    def pull_back_credit(self, credit: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        # Its input is the data, which has no components to share a weight: nothing below it could take credit.
        raise NotImplementedError("a segment that reads the data passes no credit on; see Network.credit_senders")

    def _by_component(self, outputs: Tensor) -> Tensor:
        return part(outputs, 1, (self.components, -1))


class _ExamplesFirst(LocallyConnected2d):
    """A locally connected map whose outputs have the batch as the slowest axis of memory.

    What follows a vectorized one works on components, in an order that has the batch and the components next to each
    other: with the batch fastest that took twice the time of a step.
    """

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        outputs = self._by_channel(weight, self._patches(inputs))
        result = outputs.new_empty(len(inputs), weight.shape[1], *self.output_size)
        result.view(len(inputs), -1).copy_(outputs.reshape(-1, len(inputs)).t())
        return result if bias is None else result.add_(bias)

    @staticmethod
    def _by_channel(weight: Tensor, patches: Tensor) -> Tensor:
        """Return the products of all positions as (channels, positions, batch).

        Written there by the product itself where one thread works and nothing needs a graph or another type: that saves
        a copy of all outputs, which took longer than the product where few inputs are summed (9 inputs: 7 ms instead of
        19 in all). With several threads torch's batched product is slow at writing with gaps.
        """
        wants_graph = torch.is_grad_enabled() and (weight.requires_grad or patches.requires_grad)
        other_type = weight.dtype != patches.dtype or torch.is_autocast_enabled(weight.device.type)
        if wants_graph or other_type or weight.device.type != "cpu" or torch.get_num_threads() > 1:
            return torch.bmm(weight, patches).transpose(0, 1)
        outputs = weight.new_empty(weight.shape[1], weight.shape[0], patches.shape[2])
        torch.bmm(weight.detach(), patches, out=outputs.transpose(0, 1))
        return outputs

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        return examples_first(super().pull_back(cotangent, weight, input_shape))


class SharedDense(_SharedOverComponents, Dense):
    """Fully connected between vector units; weight (units, inputs), bias (K, units)."""


class SharedConv2d(_SharedOverComponents, Conv2d):
    """A convolution of vector units; weight as ``Conv2d``'s, bias (K, channels)."""


class SharedLocallyConnected2d(_SharedOverComponents, _ExamplesFirst):
    """Locally connected vector units; weight as ``LocallyConnected2d``'s, bias (K, channels, height, width)."""


class DenseOfTheData(_OfTheData, Dense):
    """Fully connected from the data; weight (K·units, inputs), bias (K·units,).

    One product for each component, side by side: on a CPU that takes 0.7 of the time of one product with K·units
    outputs (128 examples, 784 inputs, 10 x 1024 units; torch 2.15), and leaves the components one after the other in
    memory, as the next map wants them.
    """

    def __init__(self, inputs: int, units: int, components: int, bias: bool = True) -> None:
        super().__init__(components, inputs, components * units, bias=bias)

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return each component's ``inputs @ weight.T + bias``, shape (batch, K, units)."""
        banks = part(weight, 0, (self.components, -1)).transpose(1, 2)
        repeated = inputs.expand(self.components, *inputs.shape)
        if bias is None:
            return torch.bmm(repeated, banks).transpose(0, 1)
        return torch.baddbmm(bias.view(self.components, 1, -1), repeated, banks).transpose(0, 1)

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return both gradients, formed component by component."""
        cotangent = error.t().unsqueeze(2) * credit
        gradient = torch.bmm(cotangent.transpose(1, 2), inputs.expand(self.components, *inputs.shape))
        bias_gradient = None if self.bias is None else error.t().mm(credit).flatten()
        return gradient.view(self.weight.shape), bias_gradient


class Conv2dOfTheData(_OfTheData, Conv2d):
    """A convolution of the data; weight (K·channels, input channels, kernel, kernel), bias (K·channels,)."""

    def __init__(self, input_channels: int, channels: int, components: int, bias: bool = True, **options: int) -> None:
        super().__init__(components, input_channels, components * channels, bias=bias, **options)

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return all three from the convolution's fused call."""
        return super().backward_through(inputs, cotangent.flatten(1, 2), weight, needs_input)

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return both gradients: each example's for one component, then its error's share for every component."""
        where = {key: self.geometry[key] for key in ("dilation", "padding", "stride")}
        kernel = self.weight.shape[2]
        patches = F.unfold(self._padded(inputs), kernel, **where)
        # Windows of a stride that does not divide may leave a rest; unfold and conv agree on how many there are.
        of_examples = torch.bmm(credit.flatten(2), patches.transpose(1, 2))
        gradient = error.t().mm(of_examples.flatten(1)).view(self.weight.shape)
        bias_gradient = None if self.bias is None else error.t().mm(credit.flatten(2).sum(2)).flatten()
        return gradient, bias_gradient


class LocallyConnected2dOfTheData(_OfTheData, _ExamplesFirst):
    """Locally connected to the data; weight (positions, K·channels, fan-in), bias (K·channels, height, width)."""

    def __init__(self, input_channels: int, channels: int, components: int, bias: bool = True, **options: int) -> None:
        super().__init__(components, input_channels, components * channels, bias=bias, **options)


VECTOR_MAPS: dict[str, tuple[type[VectorMap], type[VectorMap]]] = {
    Dense.kind: (DenseOfTheData, SharedDense),
    Conv2d.kind: (Conv2dOfTheData, SharedConv2d),
    LocallyConnected2d.kind: (LocallyConnected2dOfTheData, SharedLocallyConnected2d),
}
"""By the kind of the ordinary map: what reads the data, and what reads vector units."""


def _merge(vectors: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return vector units with batch and components as one axis, and how to part them again; copies only if it must."""
    batch, components = vectors.shape[:2]
    if vectors.stride(1) > vectors.stride(0):
        merged = vectors.transpose(0, 1).flatten(0, 1)
        return merged, lambda outputs: part(outputs, 0, (components, batch)).transpose(0, 1)
    return vectors.flatten(0, 1), lambda outputs: part(outputs, 0, (batch, components))


def part(values: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """Return a tensor with one axis parted into several."""
    parted: Tensor = values.unflatten(axis, sizes)  # type: ignore[no-untyped-call]
    return parted
