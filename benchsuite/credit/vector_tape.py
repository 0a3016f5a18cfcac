"""Credit in vectorized networks: one number per unit, times the output error.

In any such network the gradient with respect to a vector unit's activation is one number times the output error: a gate
passes or blocks all components together, and components share all weights except those that read the network's input
(Clark et al. 2021, section 3). So rules of both mechanisms keep credit as that number. A cotangent with components is
computed only for segments that read the input.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benchsuite.credit.batch import Batch
from benchsuite.credit.tape import CreditPoint, Tape
from benchsuite.errors import ShapeError
from benchsuite.networks.network import Network
from benchsuite.networks.shapes.network_shapes import DATA
from benchsuite.networks.vector_segment import VectorSegment


class VectorTape(Tape):
    """One forward pass of a vectorized network, without a graph.

    Attributes:
        gates: gates by segment name: zeros and ones of shape (batch, channels, ...); None for linear units.
        vector_error: the output error at the readout's vector unit, divided by the batch size; shape (batch, K).

        The other attributes are as in ``Tape``; activations have shape (batch, K, channels, ...).
    """

    def __init__(
        self,
        network: Network,
        inputs: dict[str, Tensor],
        outputs: dict[str, Tensor],
        gates: dict[str, Tensor | None],
        logits: Tensor,
        loss: Tensor,
        error: Tensor,
    ) -> None:
        super().__init__(network, inputs, outputs, logits, loss, error)
        self.gates = gates
        self.vector_error = network.encode_error(error)

    def assign(self, credit: Mapping[str, Tensor], *, at: CreditPoint = "output", readout: bool = True) -> None:
        """Compute all local gradients from the credit at each segment's output.

        Credit is at the output before pooling, without the gate: the gate is applied here. The readout gets the output
        error itself, a credit of one, unless it is named too.

        Args:
            credit: by segment name; one number per unit, to be multiplied by the output error, shape
                (batch, channels, ...); or in the output's shape, with components. A segment left out gets no gradient.
            at: ``output``; a vector unit's gate belongs to its derivative.
            readout: give the readout the output error, unless it is named in ``credit``.

        Raises:
            ShapeError: if a name is not a segment, a credit does not fit its output, or credit is for another point.

        """
        if at != "output":
            raise ShapeError(f"credit at the {at}: a vectorized network takes credit at the output of a segment only")
        one = self.vector_error.new_ones(len(self.vector_error), 1)  # (batch, 1)
        given = {self.network.readout: one} if readout else {}
        for name, value in {**given, **credit}.items():
            if name not in self.outputs:
                raise ShapeError(f"credit for '{name}': no such segment; there are {', '.join(self.outputs)}")
            output = self.outputs[name]
            if value.shape == output[:, 0].shape:
                self._form_structured(name, value)
            elif value.shape == output.shape:
                self._form_unstructured(name, value)
            else:
                shapes = f"shape {tuple(value.shape)}, its units {tuple(output[:, 0].shape)}"
                raise ShapeError(f"credit for '{name}' has {shapes}")

    def gated(self, name: str, credit: Tensor) -> Tensor:
        """Return credit at the map's output for credit at the segment's, one number per unit, in the output's dtype."""
        gate = self.gates[name]
        return (credit if gate is None else credit * gate).to(self.outputs[name].dtype)

    def _form_structured(self, name: str, credit: Tensor) -> None:
        at_map = self.gated(name, credit)
        segment = self.network.segments[name]
        assert isinstance(segment, VectorSegment)  # noqa: S101 - the network is vectorized
        segment.map.add_structured_gradients(self.inputs[name], at_map, self.vector_error)
        if self.network.credit_observer is not None:
            self.network.credit_observer(name, credit, at_map)

    def _form_unstructured(self, name: str, credit: Tensor) -> None:
        gate = self.gates[name]
        at_map = (credit if gate is None else credit * gate.unsqueeze(1)).to(self.outputs[name].dtype)
        self.network.segments[name].map.add_gradients(self.inputs[name], at_map)
        if self.network.credit_observer is not None:
            self.network.credit_observer(name, credit, at_map)


def record_vector_forward(network: Network, batch: Batch) -> VectorTape:
    """Run a batch forward through a vectorized network; keep activations, gates and the output error for gradients."""
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    gates: dict[str, Tensor | None] = {}

    def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
        if not isinstance(node, VectorSegment):
            joined: Tensor = node(*received)
            return joined
        (inputs[name],) = received
        outputs[name], gates[name] = node.gated_forward(*received)
        return outputs[name]

    with torch.no_grad():
        with network.autocast():
            values = network.walk(batch.inputs, visit)
        logits = network.decode(network.widen(values))  # (batch, classes)
    loss, error = batch.criterion.loss_and_error(logits, batch.targets)
    return VectorTape(network, inputs, outputs, gates, logits, loss, error)


def propagated_credit(tape: VectorTape, feedback_weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the credit at every segment's output, pulled back through the network from the output error.

    Args:
        tape: the recorded forward pass.
        feedback_weights: by segment name; a segment that is not named pulls back through its own weight. Without any,
            this is backprop: the gradient with respect to a unit's output is its credit times the output error.

    Returns:
        One number per unit, shape (batch, channels, ...), by segment name; one for the readout.

    """
    network, plan = tape.network, tape.network.shapes
    names = [name for name, _ in network.steps()]
    waiting: dict[int, Tensor] = {len(names) - 1: tape.vector_error.new_ones(len(tape.vector_error), 1)}
    credit: dict[str, Tensor] = {}
    with torch.no_grad():
        for position in range(len(names) - 1, -1, -1):
            name, sources = names[position], plan.sources[position]
            if position not in waiting:  # before the first segment: the data get no credit
                continue
            arrived = waiting.pop(position)
            node = network.nodes[name]
            if isinstance(node, VectorSegment):
                credit[name] = arrived
                if not plan.upstream[name]:
                    continue
                at_map, weight = tape.gated(name, arrived), feedback_weights.get(name, node.map.weight)
                below = tape.inputs[name][:, 0].shape
                passed: tuple[Tensor, ...] = (node.map.pull_back_credit(at_map, weight.to(at_map.dtype), below),)
            else:
                passed = _through_fixed_layer(node, arrived, plan.nodes[position].input_shape, len(sources))
            for source, part in zip(sources, passed, strict=True):
                if source != DATA:
                    waiting[source] = waiting[source] + part if source in waiting else part
    return {name: credit[name] for name in network.segments if name in credit}


def _through_fixed_layer(
    node: nn.Module, credit: Tensor, input_shape: tuple[int, ...], terms: int
) -> tuple[Tensor, ...]:
    """Return the credit at each input of a layer between segments; all such layers are linear, equal per component."""
    if terms > 1:
        return (credit,) * terms
    module = getattr(node, "module", node)
    with torch.enable_grad():
        probe = credit.new_zeros(len(credit), *input_shape).requires_grad_()
        return torch.autograd.grad(module(probe), probe, credit)
