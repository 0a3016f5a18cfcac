"""Second mechanism: each segment's input is detached, its output kept, and credit is assigned to it directly.

No cotangent passes between segments. That saves backprop's products with the transposed weights: a third of the work of
a deep chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite.credit.batch import Batch
from benchsuite.errors import ShapeError
from benchsuite.networks.network import Network
from benchsuite.networks.segments import Segment

CreditPoint = Literal["output", "pre_activation"]
"""Points of a segment: its output, after norm and nonlinearity; and its linear map's output."""


class Link(NamedTuple):
    """The autograd graph between two segments: the output of the earlier one and the input of the later one."""

    output: Tensor
    received: Tensor


class Tape:
    """One forward pass whose segments are not connected for gradients.

    Attributes:
        inputs: inputs by segment name in forward order, without a graph: the presynaptic activity, after any pooling
            and dropout.
        outputs: outputs by segment name in forward order. The graph of an output covers its own segment only; there is
            no graph if the output alone determines the segment's backward pass.
        pre_activations: outputs of the linear maps by segment name in forward order, without a graph; empty unless
            they were asked for.
        logits: the logits in the weights' dtype, without a graph; shape (batch, classes).
        loss: mean loss over the batch.
        error: the output error dL/dlogits, already divided by the batch size; shape (batch, classes).
    """

    def __init__(
        self,
        network: Network,
        inputs: dict[str, Tensor],
        outputs: dict[str, Tensor],
        logits: Tensor,
        loss: Tensor,
        error: Tensor,
        links: Mapping[str, Link] | None = None,
        pre_activations: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.network = network
        self.inputs = inputs
        self.outputs = outputs
        self.logits = logits
        self.loss = loss
        self.error = error
        self._links = links or {}
        self.pre_activations = pre_activations or {}

    def pull_back_between(self, name: str, cotangent: Tensor) -> Tensor:
        """Return the cotangent at the previous segment's output for a cotangent at a segment's input.

        Exact for all layers between the two: pooling, dropout, flattening. Call it once per segment.

        Args:
            name: any segment except the first.
            cotangent: the cotangent, in the shape of the segment's input.

        Raises:
            ShapeError: if the forward pass did not keep this graph, or there is no previous segment.
        """
        if name not in self._links:
            raise ShapeError(
                f"'{name}': the link to the segment before was not recorded; use record_forward(…, keep_links=True)"
            )
        output, received = self._links[name]
        if received is output:
            return cotangent
        (pulled,) = torch.autograd.grad(received, output, cotangent.to(received.dtype))
        return pulled

    def assign(self, credit: Mapping[str, Tensor], *, at: CreditPoint = "output", readout: bool = True) -> None:
        """Compute all local gradients from the credit of each segment.

        Credit at the output is before pooling and without the derivative of the segment's nonlinearity: the derivative
        is applied here. Credit at the pre-activation is multiplied with the map's input as it is, whatever the
        nonlinearity; a norm's own parameters get no gradient then.

        Args:
            credit: by segment name, in the output's shape or as (batch, units). Auxiliary units, which are last, may be
                left out; they get no credit. A segment left out gets no gradient.
            at: point of the segment that credit is for.
            readout: give the readout the output error, unless it is named in ``credit``.

        Raises:
            ShapeError: if a name is not a segment, or a credit does not fit its output.
        """
        roots, cotangents = [], []
        given = {self.network.readout: self.network.encode_error(self.error)} if readout else {}
        for name, value in {**given, **credit}.items():
            output = self._output(name, value)
            placed = self._whole(name, value, output).reshape(output.shape).to(output.dtype)
            if at == "pre_activation" and name in credit:
                self._form_at_map(name, placed)
            elif output.requires_grad:
                roots.append(output)
                cotangents.append(placed)
            elif self.network.segments[name].pulls_back_by_output:
                self._form_gradients(name, placed, output)
            # Otherwise the segment needs autograd but has nothing to train.
        if roots:
            torch.autograd.backward(roots, cotangents)

    def _form_gradients(self, name: str, credit: Tensor, output: Tensor) -> None:
        segment = self.network.segments[name]
        at_map = segment.pull_back_to_map(credit, output)
        segment.map.add_gradients(self.inputs[name], at_map)
        if self.network.credit_observer is not None:
            self.network.credit_observer(name, credit, at_map)

    def _form_at_map(self, name: str, credit: Tensor) -> None:
        self.network.segments[name].map.add_gradients(self.inputs[name], credit)
        if self.network.credit_observer is not None:
            # No derivative lies between the two points for a rule that leaves it out.
            self.network.credit_observer(name, credit, credit)

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
        shapes = self.network.shapes
        return self.network.is_invertible and credit.shape == (len(self.logits), shapes.units_read[name])

    def _whole(self, name: str, credit: Tensor, output: Tensor) -> Tensor:
        """Return credit for all units of a segment: zero for auxiliary ones, which are last."""
        missing = output[0].numel() - credit[0].numel()
        return F.pad(credit, (0, missing)) if missing else credit


def record_ordinary_forward(
    network: Network, batch: Batch, keep_links: bool = False, keep_pre_activations: bool = False
) -> Tape:
    """Run a batch forward with every segment's input detached, and compute the output error.

    Args:
        network: a network that is not vectorized.
        batch: the batch to run forward.
        keep_links: whether ``Tape.pull_back_between`` will be called.
        keep_pre_activations: whether ``Tape.pre_activations`` will be read.

    Raises:
        ShapeError: if ``keep_links`` is set for a network that is not a chain: a segment may then have several inputs.
    """
    if keep_links and network.shapes.topology != "chain":
        raise ShapeError(
            f"links between segments are recorded only in a chain, this network is {network.shapes.topology}"
        )
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    pre_activations: dict[str, Tensor] = {}
    links: dict[str, Link] = {}
    below: list[Tensor] = []

    def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
        if not isinstance(node, Segment):
            with torch.set_grad_enabled(keep_links):
                joined: Tensor = node(*received)
            return joined
        (received_here,) = received
        inputs[name] = received_here.detach()
        # Keep a graph within a segment only if needed: it costs a 20th of a small network's step.
        with torch.set_grad_enabled(not node.pulls_back_by_output):
            if keep_pre_activations:
                values = node.map(inputs[name])
                pre_activations[name] = values.detach()
                output = node.respond(values)
            else:
                output = node(inputs[name])
        outputs[name] = output
        passed_on = output.detach()
        if keep_links:
            if below:
                links[name] = Link(below.pop(), received_here)
            below.append(passed_on.requires_grad_())
        return passed_on

    with network.autocast(), torch.no_grad():
        values = network.walk(batch.inputs, visit)
    logits = network.decode(network.widen(values.detach()))  # (batch, classes)
    loss, error = batch.criterion.loss_and_error(logits, batch.targets)
    return Tape(network, inputs, outputs, logits, loss, error, links, pre_activations)
