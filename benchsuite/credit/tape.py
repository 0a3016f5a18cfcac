"""Second mechanism: every segment's input is cut off, its output kept, and credit is handed to each directly.

No cotangent ever travels between segments, which saves backprop's products with the transposed weights: a third of the
work of a deep chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite.credit.rule import Batch
from benchsuite.errors import ShapeError
from benchsuite.networks.network import Network
from benchsuite.networks.segments import Segment


class Way(NamedTuple):
    """What lies between two segments, as a graph: the output of the one below, and what the one above received."""

    output: Tensor
    received: Tensor


class Tape:
    """One forward pass whose segments are not connected for gradients.

    Attributes:
        inputs: what came into each segment, by name in forward order, without a graph: the presynaptic activity, after
            any pooling and dropout.
        outputs: by segment name in forward order; attached to its own segment only, or to nothing where the segment's
            output alone says how credit passes back.
        logits: of the readout's output in the weights' own type, without a graph; shape (batch, classes).
        loss: mean over the batch.
        error: the output error dL/dlogits, already divided by the batch; shape (batch, classes).
    """

    def __init__(
        self,
        network: Network,
        inputs: dict[str, Tensor],
        outputs: dict[str, Tensor],
        logits: Tensor,
        loss: Tensor,
        error: Tensor,
        ways: Mapping[str, Way] | None = None,
    ) -> None:
        self.network = network
        self.inputs = inputs
        self.outputs = outputs
        self.logits = logits
        self.loss = loss
        self.error = error
        self._ways = ways or {}

    def pull_back_between(self, name: str, cotangent: Tensor) -> Tensor:
        """Return the cotangent at the output of the segment below for one at a segment's input.

        Exact, through whatever lies between the two: pooling, dropout, flattening. Once for each segment.

        Args:
            name: any segment but the first.
            cotangent: in the input's shape.

        Raises:
            ShapeError: if the forward pass was not asked to keep the way, or the segment has none below.
        """
        if name not in self._ways:
            raise ShapeError(f"'{name}': no way to a segment below was kept; record_forward(…, keep_ways=True)")
        output, received = self._ways[name]
        if received is output:
            return cotangent
        (pulled,) = torch.autograd.grad(received, output, cotangent.to(received.dtype))
        return pulled

    def assign(self, credit: Mapping[str, Tensor]) -> None:
        """Form all local gradients at once from the credit at each segment's output.

        Credit is placed before pooling and before the derivative of the segment's own nonlinearity, which is applied
        here. The readout gets the output error unless it is named too.

        Args:
            credit: by segment name; in the output's shape or as (batch, units), auxiliary units at the end left out or
                not: they get none. A segment left out gets no gradient.

        Raises:
            ShapeError: if a name is not a segment, or a credit does not fit its output.
        """
        roots, cotangents = [], []
        for name, value in {self.network.readout: self.network.encode_error(self.error), **credit}.items():
            output = self._output(name, value)
            placed = self._whole(name, value, output).reshape(output.shape).to(output.dtype)
            if output.requires_grad:
                roots.append(output)
                cotangents.append(placed)
            elif self.network.segments[name].pulls_back_by_output:
                self._form_gradients(name, placed, output)
            # Else the segment needs autograd and has nothing to train.
        if roots:
            torch.autograd.backward(roots, cotangents)

    def _form_gradients(self, name: str, credit: Tensor, output: Tensor) -> None:
        segment = self.network.segments[name]
        at_map = segment.pull_back_to_map(credit, output)
        segment.map.add_gradients(self.inputs[name], at_map)
        if self.network.credit_observer is not None:
            self.network.credit_observer(name, credit, at_map)

    def _output(self, name: str, credit: Tensor) -> Tensor:
        if name not in self.outputs:
            raise ShapeError(f"credit for '{name}': no such segment; there are {', '.join(self.outputs)}")
        output = self.outputs[name]
        flat = (len(output), output[0].numel())
        if credit.shape != output.shape and credit.shape != flat and not self._is_of_what_is_read(name, credit):
            shapes = f"shape {tuple(credit.shape)}, its output {tuple(output.shape)}"
            raise ShapeError(f"credit for '{name}' has {shapes}")
        return output

    def _is_of_what_is_read(self, name: str, credit: Tensor) -> bool:
        outline = self.network.outline
        return self.network.is_invertible and credit.shape == (len(self.logits), outline.units_read[name])

    def _whole(self, name: str, credit: Tensor, output: Tensor) -> Tensor:
        """Return credit for all of a segment's units: zero for auxiliary ones, which are the last."""
        missing = output[0].numel() - credit[0].numel()
        return F.pad(credit, (0, missing)) if missing else credit


def record_ordinary_forward(network: Network, batch: Batch, keep_ways: bool = False) -> Tape:
    """Run a batch forward with every segment's input detached, and work out the output error.

    Args:
        network: of any form but vectorized.
        batch: what is run forward.
        keep_ways: whether ``Tape.pull_back_between`` will be asked.

    Raises:
        ShapeError: if ways are to be kept in a network that is no chain: a segment may have several below.
    """
    if keep_ways and network.outline.topology != "chain":
        raise ShapeError(f"ways between segments are kept in chains, this network is {network.outline.topology}")
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    ways: dict[str, Way] = {}
    below: list[Tensor] = []

    def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
        if not isinstance(node, Segment):
            with torch.set_grad_enabled(keep_ways):
                joined: Tensor = node(*received)
            return joined
        (received_here,) = received
        inputs[name] = received_here.detach()
        # A graph is kept within a segment only where one is needed: it costs a 20th of a small network's step.
        with torch.set_grad_enabled(not node.pulls_back_by_output):
            output: Tensor = node(inputs[name])
        outputs[name] = output
        passed_on = output.detach()
        if keep_ways:
            if below:
                ways[name] = Way(below.pop(), received_here)
            below.append(passed_on.requires_grad_())
        return passed_on

    with network.autocast(), torch.no_grad():
        values = network.walk(batch.inputs, visit)
    logits = network.decode(network.widen(values.detach()))
    loss, error = batch.criterion.loss_and_error(logits, batch.targets)
    return Tape(network, inputs, outputs, logits, loss, error, ways)
