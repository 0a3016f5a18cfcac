"""Equilibrium propagation: the contrast between two equilibria, nudged towards and away from the label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from benchsuite.plugin import (
    Batch,
    CreditWork,
    IncompatibleError,
    LinearMap,
    Network,
    NetworkShapes,
    Phase,
    Rule,
    RuleConfig,
    RuleTraits,
    Segment,
    StepResult,
    hookimpl,
    tunable,
)

BENCHSUITE_CONTRACT = 2


class EquilibriumPropagationConfig(RuleConfig):
    """Length of the phases, and strength and form of the nudge.

    Defaults are those of Ernoult et al. 2019 for one hidden layer on MNIST (*recalled*). They took 100 and 20 steps for
    two layers with β = 0.5; Laborieux et al. took 250 and 30 for convolutions on CIFAR10.
    """

    free_steps: int = Field(default=30, gt=0)
    """T: steps of the free phase, from states of zero. A prediction takes as many."""
    nudged_steps: int = Field(default=10, gt=0)
    """K: steps of each nudged phase, from the end of the free phase."""
    nudge: Annotated[float, tunable()] = Field(default=0.1, gt=0)
    """β: strength of the nudge. The estimate's bias is O(β²), or O(β) if it is not centered; a small β is lost in
    rounding. With the squared error a β of one or more does not settle."""
    centered: bool = True
    """Contrast the equilibria nudged by β and -β (Laborieux et al. 2021). Otherwise the one nudged by β and the free
    one, as in Scellier & Bengio 2017."""


@dataclass(frozen=True, slots=True)
class _Coupling:
    """A segment's map and the layers before it: what joins the states of two neighbouring segments, both ways."""

    map: LinearMap
    layers: tuple[nn.Module, ...]

    def receive(self, state: Tensor) -> Tensor:
        """Return the map's input for the state below."""
        for layer in self.layers:
            state = layer(state)
        return state

    def drive(self, received: Tensor) -> Tensor:
        """Return what the map sends up, bias included."""
        return self.map.apply_weight(received, self.map.weight, self.map.bias)

    def both_ways(self, below: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
        """Return what reaches the upper segment from the state below, and the lower one from the state above."""
        if not self.layers:
            return self.drive(below), self.map.pull_back(above, self.map.weight, below.shape)
        with torch.enable_grad():
            leaf = below.detach().requires_grad_()
            received = self.receive(leaf)
        sent_down = self.map.pull_back(above, self.map.weight, received.shape)
        (pulled,) = torch.autograd.grad(received, leaf, sent_down)
        return self.drive(received.detach()), pulled


class EquilibriumPropagation(Rule[EquilibriumPropagationConfig]):
    """Weights descend the difference of an energy's gradient at two equilibria, divided by the nudge.

    A segment's state s follows s ← σ(W s_below + b + W_aboveᵀ s_above), all segments at once: σ is its nonlinearity,
    and the network's own maps are the couplings, used both ways. That seeks a stationary point of the energy
    Σ_segments ∫σ⁻¹ - Φ with Φ = Σ s·(W s_below + b). Weights that begin large give several such points, and training
    then fails: torch's default is small enough, Glorot's is not.

    The readout, whose units are linear, is nudged by -β dℓ/ds, where ℓ is the loss of one example. The gradient is that
    of -Φ at the state nudged by β, minus that at -β, over 2β. As β goes to zero it becomes the gradient of the loss at
    the free equilibrium, which is also what the rule predicts with.

    What differs from the papers: output units are linear instead of clipped, as readouts of this suite are. States are
    those before a pooling layer instead of after it; a max pool passes back to the position of its maximum. Any loss
    nudges; the published networks have the squared error. States are kept and multiplied in the weights' own type,
    since the contrast is a difference of near-equal numbers.

    Units must be increasing, so that there is an energy, and bounded, so that states cannot grow without end. ReLU is
    not, and the networks of core have ReLU: `mnist-dense-hard-sigmoid` is the twin of its dense track.
    """

    name = "equilibrium_propagation"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Scellier & Bengio 2017, arXiv:1602.05179; discrete time after Ernoult et al. 2019, arXiv:1905.13633; "
        "centered estimate of Laborieux et al. 2021, arXiv:2006.03824",
        min_hidden_segments=1,
        min_precision="tf32",
        # Increasing, so that an energy exists, and bounded, so that states cannot grow without end.
        activations=frozenset({"hard_sigmoid", "saturated_linear", "sigmoid", "tanh"}),
        norms=False,
        dropout=False,
        readout_update_is_backprop=False,
        weight_transport=True,
        separate_phase=True,
        own_inference=True,
        has_credit=False,
    )

    @classmethod
    def credit_work(cls, config: EquilibriumPropagationConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of all steps, each of which takes every map but the first both ways; two or three states."""
        coupled = sum(segment.macs for segment in shapes.segments if shapes.upstream[segment.name])
        steps = config.free_steps + config.nudged_steps * (1 + config.centered)
        units = sum(segment.units for segment in shapes.segments)
        return CreditWork(per_example=2 * steps * coupled, workspace_numel_per_example=(4 + config.centered) * units)

    @classmethod
    def phases(cls, config: EquilibriumPropagationConfig) -> tuple[Phase, ...]:
        """Return both phases; a step is one pass up and one down."""
        nudged = config.nudged_steps * (1 + config.centered)
        return Phase("free", 2.0 * config.free_steps), Phase("nudged", 2.0 * nudged, labels=True)

    def attach(self, network: Network, generator: Generator) -> None:
        """Find the layers between the segments."""
        super().attach(network, generator)
        between = [s.layer.kind for s in network.shapes.nodes if hasattr(s, "layer")]
        if "activation" in between:
            raise IncompatibleError(self.name, ["needs nonlinearities in segments, not in layers between them"])
        self.couplings: dict[str, _Coupling] = {}
        layers: list[nn.Module] = []
        for name, node in network.steps():
            if isinstance(node, Segment):
                self.couplings[name] = _Coupling(node.map, tuple(layers))
                layers = []
            else:
                layers.append(node)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments."""
        return tuple(self.network.segments)

    @torch.no_grad()
    def predict(self, inputs: Tensor) -> Tensor:
        """Return the readout's state at the free equilibrium."""
        return self._free(self._drive(inputs))[-1]

    @torch.no_grad()
    def assign_credit(self, batch: Batch) -> StepResult:
        """Settle freely, then nudged from there, and contrast the two equilibria."""
        first = next(iter(self.couplings.values()))
        received = first.receive(batch.inputs)
        drive = first.drive(received)
        with self.phase("free"):
            free = self._free(drive)
        loss, _ = batch.criterion.loss_and_error(free[-1], batch.targets)
        with self.phase("nudged"):
            towards = self._nudged(free, drive, batch, self.config.nudge)
            away = self._nudged(free, drive, batch, -self.config.nudge) if self.config.centered else free
        distance = self.config.nudge * (1 + self.config.centered)
        self._contrast(received, away, towards, 1 / (distance * len(batch.targets)))
        return StepResult(loss, free[-1])

    def _drive(self, inputs: Tensor) -> Tensor:
        """Return what the data send to the first segment at every step."""
        first = next(iter(self.couplings.values()))
        return first.drive(first.receive(inputs))

    def _free(self, drive: Tensor) -> list[Tensor]:
        """Return the states at the end of the free phase, in forward order."""
        shapes = [segment.output_shape for segment in self.network.shapes.segments]
        states = [drive.new_zeros(len(drive), *shape) for shape in shapes]
        return self._settled(states, drive, self.config.free_steps)

    def _nudged(self, states: list[Tensor], drive: Tensor, batch: Batch, nudge: float) -> list[Tensor]:
        """Return the states at the end of a nudged phase."""

        def force(output: Tensor) -> Tensor:
            _, error = batch.criterion.loss_and_error(output, batch.targets)
            return error * (-nudge * len(batch.targets))  # (batch, classes)

        return self._settled(states, drive, self.config.nudged_steps, force)

    def _settled(
        self, states: list[Tensor], drive: Tensor, steps: int, force: Callable[[Tensor], Tensor] | None = None
    ) -> list[Tensor]:
        """Return the states after some steps, in which all segments move at once."""
        segments = list(self.network.segments.values())
        couplings = list(self.couplings.values())[1:]
        for _ in range(steps):
            totals = [drive]
            for coupling, below, above in zip(couplings, states, states[1:], strict=False):
                sent_up, sent_down = coupling.both_ways(below, above)
                totals[-1] = totals[-1] + sent_down
                totals.append(sent_up)
            if force is not None:
                totals[-1] = totals[-1] + force(states[-1])
            states = [s.nonlinearity.apply(total) for s, total in zip(segments, totals, strict=True)]
        return states

    def _contrast(self, received: Tensor, away: list[Tensor], towards: list[Tensor], share: float) -> None:
        """Set the gradients: ``share`` times the difference of -dΦ/dθ between the states ``towards`` and ``away``."""
        received_away = received_towards = received
        for index, coupling in enumerate(self.couplings.values()):
            own = coupling.map
            if index:
                received_away, received_towards = (coupling.receive(s[index - 1]) for s in (away, towards))
            moved = (away[index] - towards[index]) * share
            # a⁻b⁻ - a⁺b⁺ = a⁻(b⁻ - b⁺) + (a⁻ - a⁺)b⁺: products of differences, which keep their digits.
            weight_gradient = own.weight_gradient(received_away, moved)
            if index:
                moved_input = (received_away - received_towards) * share
                weight_gradient = weight_gradient + own.weight_gradient(moved_input, towards[index])
            own.accumulate(weight_gradient, None if own.bias is None else own.bias_gradient(moved))


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [EquilibriumPropagation]
