"""Linear maps of vector units: each unit has K components.

A segment that reads the network's input has separate weights for each component; all others share one weight between
components. Activations have shape (batch, K, channels, ...). Either of the first two axes may be the faster one in
memory, since some products are faster one way and some the other.

A cotangent at a map's output is *structured* if it is one number per unit times one vector per example
(``credit ⊗ error``). The map's operations have cheaper forms for it. In a vectorized network the exact gradient has
this structure too (Clark et al. 2021, section 3), so these forms serve backprop as well as GEVB.
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
        components: K, the components per unit.

    """

    components: int

    @abstractmethod
    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the weight's and the bias's gradient for the cotangent ``credit ⊗ error`` at the output.

        Args:
            inputs: the inputs of the forward pass.
            credit: one number per unit, shape (batch, channels, ...).
            error: output error, shape (batch, K).

        """

    @abstractmethod
    def pull_back_credit(self, credit: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the credit at the input for a credit at the output, one number per unit each, before ``⊗ error``.

        Args:
            credit: shape (batch, channels, ...).
            weight: W, or a feedback weight of its shape.
            input_shape: (batch, input channels, ...), without components.

        """

    def add_structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> None:
        """Add both gradients for ``credit ⊗ error`` to ``.grad``, in its dtype; a frozen parameter gets none."""
        if self.is_trained:
            with torch.no_grad():
                self.accumulate(*self.structured_gradients(inputs.to(credit.dtype), credit, error.to(credit.dtype)))


class _SharedOverComponents(VectorMap):
    """A map that reads vector units: one weight for all components, but a bias per component."""

    def __init__(self, *sizes: Any, components: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.components = components
        if self.bias is not None:
            self.bias = nn.Parameter(self.bias.new_zeros(components, *self.bias.shape))

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        merged, split = _merge(inputs)  # (batch·K, ...)
        outputs = split(super().apply_weight(merged, weight))  # type: ignore[safe-super]
        if bias is None:
            return outputs
        # Under autocast the products are low-precision; a float32 bias would turn the activations back to float32.
        return outputs + bias.to(outputs.dtype).view(*bias.shape, *[1] * (outputs.dim() - 1 - bias.dim()))

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        merged, split = _merge(cotangent)  # (batch·K, channels, ...)
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
        # Not the ordinary map's fused call, whose bias has no components.
        return LinearMap.backward_through(self, inputs, cotangent, weight, needs_input)

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        # First contract the presynaptic activity with the error: the result has one number per unit, K times fewer.
        # (batch, input channels, ...)
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


class _InputMap(VectorMap):
    """A map that reads the network's input: its weight has K banks of output channels, one per component, in order.

    The authors' code instead writes the data K times into an input that is zero elsewhere and multiplies all of it.
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
        cotangent = torch.einsum("bk,b...->bk...", error, credit)  # (batch, K, channels, ...)
        bias_gradient = None if self.bias is None else self.bias_gradient(cotangent)
        return self.weight_gradient(inputs, cotangent), bias_gradient

    def pull_back_credit(self, credit: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        # The input is data, without components that share a weight, and no earlier segment could take credit.
        raise NotImplementedError("a segment that reads the data passes no credit on; see Network.credit_senders")

    def _by_component(self, outputs: Tensor) -> Tensor:
        return part(outputs, 1, (self.components, -1))


class _ExamplesFirst(LocallyConnected2d):
    """A locally connected map whose outputs have the batch as the slowest axis in memory.

    Layers after a vectorized map work on components and need the batch axis next to the component axis. With the batch
    fastest, a step took twice the time.
    """

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        outputs = self._by_channel(weight, self._patches(inputs))
        result = outputs.new_empty(len(inputs), weight.shape[1], *self.output_size)
        result.view(len(inputs), -1).copy_(outputs.reshape(-1, len(inputs)).t())
        return result if bias is None else result.add_(bias)

    @staticmethod
    def _by_channel(weight: Tensor, patches: Tensor) -> Tensor:
        """Return the products of all positions as (channels, positions, batch).

        With one thread, no graph and equal dtypes, the product writes to this layout directly. That saves a copy of all
        outputs, which took longer than the product if few inputs are summed (9 inputs: 7 ms instead of 19 in all). With
        several threads torch's batched product is slow at writing to strided memory.
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
    """Fully connected map between vector units; weight (units, inputs), bias (K, units)."""


class SharedConv2d(_SharedOverComponents, Conv2d):
    """Convolution of vector units; weight as in ``Conv2d``, bias (K, channels)."""


class SharedLocallyConnected2d(_SharedOverComponents, _ExamplesFirst):
    """Locally connected map of vector units; weight as in ``LocallyConnected2d``, bias (K, channels, height, width)."""


class InputDense(_InputMap, Dense):
    """Fully connected map of the network's input; weight (K·units, inputs), bias (K·units,).

    One batched product with a matrix per component: on a CPU that takes 0.7 of the time of one product with K·units
    outputs (128 examples, 784 inputs, 10 x 1024 units; torch 2.15). It also leaves the components one after the other
    in memory, as the next map needs them.
    """

    def __init__(self, inputs: int, units: int, components: int, bias: bool = True) -> None:
        super().__init__(components, inputs, components * units, bias=bias)

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``inputs @ weight.T + bias`` per component, shape (batch, K, units)."""
        banks = part(weight, 0, (self.components, -1)).transpose(1, 2)  # (K, inputs, units)
        repeated = inputs.expand(self.components, *inputs.shape)  # (K, batch, inputs)
        if bias is None:
            return torch.bmm(repeated, banks).transpose(0, 1)
        return torch.baddbmm(bias.view(self.components, 1, -1), repeated, banks).transpose(0, 1)

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return both gradients, computed component by component."""
        cotangent = error.t().unsqueeze(2) * credit  # (K, batch, units)
        # (K, units, inputs)
        gradient = torch.bmm(cotangent.transpose(1, 2), inputs.expand(self.components, *inputs.shape))
        bias_gradient = None if self.bias is None else error.t().mm(credit).flatten()
        return gradient.view(self.weight.shape), bias_gradient


class InputConv2d(_InputMap, Conv2d):
    """Convolution of the network's input; weight (K·channels, input channels, kernel, kernel), bias (K·channels,)."""

    def __init__(self, input_channels: int, channels: int, components: int, bias: bool = True, **options: int) -> None:
        super().__init__(components, input_channels, components * channels, bias=bias, **options)

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return all three from the convolution's fused call."""
        return super().backward_through(inputs, cotangent.flatten(1, 2), weight, needs_input)

    def structured_gradients(self, inputs: Tensor, credit: Tensor, error: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return both gradients: first one gradient per example, then its sum weighted by the error per component."""
        where = {key: self.geometry[key] for key in ("dilation", "padding", "stride")}
        kernel = self.weight.shape[2]
        patches = F.unfold(self._padded(inputs), kernel, **where)
        # If the stride does not divide the size, some rows are left over; unfold and conv agree on the windows.
        # (batch, channels, input channels·kernel²)
        of_examples = torch.bmm(credit.flatten(2), patches.transpose(1, 2))
        gradient = error.t().mm(of_examples.flatten(1)).view(self.weight.shape)
        bias_gradient = None if self.bias is None else error.t().mm(credit.flatten(2).sum(2)).flatten()
        return gradient, bias_gradient


class InputLocallyConnected2d(_InputMap, _ExamplesFirst):
    """Locally connected map of the network's input.

    Weight (positions, K·channels, fan-in), bias (K·channels, height, width).
    """

    def __init__(self, input_channels: int, channels: int, components: int, bias: bool = True, **options: int) -> None:
        super().__init__(components, input_channels, components * channels, bias=bias, **options)


VECTOR_MAPS: dict[str, tuple[type[VectorMap], type[VectorMap]]] = {
    Dense.kind: (InputDense, SharedDense),
    Conv2d.kind: (InputConv2d, SharedConv2d),
    LocallyConnected2d.kind: (InputLocallyConnected2d, SharedLocallyConnected2d),
}
"""By kind of the ordinary map: (map that reads the network's input, map that reads vector units)."""


def _merge(vectors: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Merge the batch and component axes, and return a function that splits them again; copies only if necessary."""
    batch, components = vectors.shape[:2]
    if vectors.stride(1) > vectors.stride(0):
        merged = vectors.transpose(0, 1).flatten(0, 1)
        return merged, lambda outputs: part(outputs, 0, (components, batch)).transpose(0, 1)
    return vectors.flatten(0, 1), lambda outputs: part(outputs, 0, (batch, components))


def part(values: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """Return a tensor with one axis split into several."""
    parted: Tensor = values.unflatten(axis, sizes)  # type: ignore[no-untyped-call]
    return parted
