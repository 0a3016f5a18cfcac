"""Second mechanism: every segment's input is cut off, its output kept, and credit is handed to each directly.

No cotangent ever travels between segments, which saves backprop's products with the transposed weights: a third of the
work of a deep chain.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchsuite.errors import ShapeError
from benchsuite.network.network import Network
from benchsuite.network.segments import Segment
from benchsuite.rule import Batch


class Tape:
    """One forward pass whose segments are not connected for gradients.

    Attributes:
        inputs: what came into each segment, by name in forward order, without a graph: the presynaptic activity, after
            any pooling and dropout.
        outputs: by segment name in forward order, each attached to its own segment only.
        logits: the readout's output in the weights' own type, without a graph; shape (batch, classes).
        loss: mean over the batch.
        error: the output error dL/dlogits, already divided by the batch; shape (batch, classes).

    """

    def __init__(
        self, inputs: dict[str, Tensor], outputs: dict[str, Tensor], logits: Tensor, loss: Tensor, error: Tensor
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.logits = logits
        self.loss = loss
        self.error = error

    def assign(self, credit: Mapping[str, Tensor]) -> None:
        """Form all local gradients at once from the credit at each segment's output.

        Credit is placed before pooling and before the derivative of the segment's own nonlinearity, which is applied
        here. The readout gets the output error unless it is named too.

        Args:
            credit: by segment name; in the output's shape or as (batch, units). A segment left out gets no gradient.

        Raises:
            ShapeError: if a name is not a segment, or a credit does not fit its output.

        """
        readout = next(reversed(self.outputs))
        assigned = {**credit, readout: credit.get(readout, self.error)}
        targets, cotangents = [], []
        for name, value in assigned.items():
            if name not in self.outputs:
                raise ShapeError(f"credit for '{name}': no such segment; there are {', '.join(self.outputs)}")
            output = self.outputs[name]
            if value.shape != output.shape and value.shape != (len(output), output[0].numel()):
                shapes = f"shape {tuple(value.shape)}, its output {tuple(output.shape)}"
                raise ShapeError(f"credit for '{name}' has {shapes}")
            targets.append(output)
            cotangents.append(value.reshape(output.shape).to(output.dtype))
        torch.autograd.backward(targets, cotangents)


def record_forward(network: Network, batch: Batch) -> Tape:
    """Run a batch forward with every segment's input detached, and work out the output error."""
    values = batch.inputs
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    with network.autocast():
        for name, node in network.steps():
            if isinstance(node, Segment):
                inputs[name] = values
                output = node(values)
                outputs[name] = output
                values = output.detach()
            else:
                with torch.no_grad():
                    values = node(values)
    logits = network.widen(values)
    loss, error = batch.criterion.loss_and_error(logits, batch.targets)
    return Tape(inputs, outputs, logits, loss, error)
