"""Rounding in GAIT-prop's target pass: update angles against the same pass in long double.

    python benchmarks/gait_rounding.py updates [--track NAME] [--rules NAME …] [--examples N] [--seeds N]
    python benchmarks/gait_rounding.py learning [--epochs N] [--seeds N]

``updates``: the network is the track's own before training, the batch its diagnostics' batch. The reference carries
targets, as the published code does, in NumPy's long double (80 bits on x86: 19 digits), from the same weights and
images. Printed is the angle in degrees between each segment's weight update and the reference's, for both forms in both
types; then how far the reference is from the same pass with differences in long double, and backprop from the
reference. Dense chains alone.

``learning``: five square layers of 64 units learn the bundled digits with Adam and the regulariser of mnist-square,
once with the credit of the long double pass and once with each form and type. Weights are float32 everywhere. Printed
are the test error, how far the first layer's weights are from the long double run's (as a multiple of how far those
moved), and the angle between the first update of the last epoch and the long double pass's in the same network.

Nothing is asserted.

No ``--smoke``: long double has no fast products, so that the least of it takes many seconds; ``learning --epochs 1``
is short.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve
from torch import Tensor

from benchsuite.api.plans import plan
from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.data.open import open_data
from benchsuite.data.roots import find_data_root
from benchsuite.diagnostics.observe import assigned_gradients, backprop_gradients
from benchsuite.execution.loading import DataLoader
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import criterion_of
from benchsuite.networks.network import Network
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.protocol import OrthogonalitySpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.orthogonality import add_orthogonality_gradients
from benchsuite.training.seeds import derive_seeds, generator
from benchsuite_rules.gait_prop import GaitProp
from benchsuite_rules.normalized_gait_prop import NormalizedGaitProp
from benchsuite_rules.target_propagation import TargetPropagation

Array = NDArray[np.longdouble]
RULES: dict[str, type[Rule]] = {r.name: r for r in (GaitProp, NormalizedGaitProp, TargetPropagation)}


class Inverse:
    """Solutions of ``x Wᵀ = rows`` in long double: an LU factorization in float64, refined three times."""

    def __init__(self, weight: Array) -> None:
        self.weight = weight
        self.factors = lu_factor(weight.astype(np.float64))

    def solve(self, rows: Array) -> Array:
        """Return x, shape (batch, inputs)."""
        found = np.zeros_like(rows)
        for _ in range(4):
            residual = rows - found @ self.weight.T
            found = found + lu_solve(self.factors, residual.T.astype(np.float64)).T
        return found


class Reference:
    """The forward pass and the target pass of one network on one batch, in long double."""

    def __init__(self, network: Network, batch: Batch) -> None:
        self.names = list(network.segments)
        self.read = network.shapes.units_read
        maps = [network.maps[name] for name in self.names]
        self.weights = [long(m.weight) for m in maps]
        self.biases = [long(m.bias) if m.bias is not None else np.zeros(m.fan_out, np.longdouble) for m in maps]
        self.slopes = [float(network.segments[n].nonlinearity.apply(torch.tensor([-1.0])).neg()) for n in self.names]
        self.inverses = [Inverse(weight) for weight in self.weights[1:]]
        self.inputs, self.outputs = [], []
        passed_on = long(batch.inputs.flatten(1))  # (batch, inputs)
        for name, weight, bias, slope in zip(self.names, self.weights, self.biases, self.slopes, strict=True):
            self.inputs.append(passed_on)
            h = passed_on @ weight.T + bias  # (batch, units)
            self.outputs.append(np.where(h > 0, h, slope * h))
            passed_on = self.outputs[-1][:, : self.read[name]]
        logits = torch.from_numpy(self.outputs[-1].astype(np.float64))[:, : self.read[self.names[-1]]]
        _, error = batch.criterion.loss_and_error(logits, batch.targets)
        self.error = np.zeros_like(self.outputs[-1])
        self.error[:, : error.shape[1]] = long(error) * len(logits)

    def updates(self, rule: Rule, form: str) -> dict[str, Array]:
        """Return each segment's weight gradient, by name; ``form`` as in the rules' config."""
        return {name: weight for name, (weight, _) in self.gradients(rule, form).items()}

    def gradients(self, rule: Rule, form: str) -> dict[str, tuple[Array, Array]]:
        """Return each segment's gradients of weight and bias, by name."""
        return {name: self._gradient(position, credit) for position, name, credit in self._descend(rule, form)}

    def _gradient(self, position: int, credit: Array) -> tuple[Array, Array]:
        at_map = credit * np.where(self.outputs[position] > 0, 1, self.slopes[position]) / len(credit)
        return at_map.T @ self.inputs[position], at_map.sum(0)

    def _descend(self, rule: Rule, form: str) -> Iterator[tuple[int, str, Array]]:
        difference, scale = self.error, np.ones((len(self.error), 1), np.longdouble)
        for position in range(len(self.names) - 1, -1, -1):
            yield position, self.names[position], difference * scale
            if position == 0:
                return
            a, slope = self.outputs[position], self.slopes[position]
            gamma = self._gamma(rule, difference)
            step = difference if gamma is None else gamma * np.where(a > 0, 1, slope) ** 2 * difference
            scale = scale if gamma is None else scale / gamma
            inverse, inputs = self.inverses[position - 1], self.inputs[position]
            if form == "targets":
                target = a - step
                found = inputs - inverse.solve(np.where(target > 0, target, target / slope) - self.biases[position])
            else:
                near = np.where(a > 0, np.minimum(step, a), np.maximum(step, a))
                own, other = (1.0, 1 / slope)
                found = inverse.solve(np.where(a > 0, near * own + (step - near) * other, near * other + (step - near)))
            difference = np.zeros_like(self.outputs[position - 1])
            difference[:, : found.shape[1]] = found

    @staticmethod
    def _gamma(rule: Rule, difference: Array) -> Array | None:
        if isinstance(rule, GaitProp):
            return np.full((len(difference), 1), np.longdouble(rule.config.gamma))
        if isinstance(rule, NormalizedGaitProp):
            if (rule.config.norm, rule.config.scale) != ("l2", "per_sample"):
                raise SystemExit("the reference knows normalized_gait_prop with norm l2 and scale per_sample alone")
            return np.longdouble(rule.config.eta) / np.sqrt((difference**2).sum(1, keepdims=True))
        return None


def long(values: Tensor) -> Array:
    return values.detach().double().numpy().astype(np.longdouble)


def angle_deg(one: Array, other: Array) -> float:
    """Return the angle between two arrays by both chords: the arc cosine knows nothing below 1e-6 degrees."""
    one, other = one / np.sqrt((one**2).sum()), other / np.sqrt((other**2).sum())
    return float(np.rad2deg(2 * np.arctan2(np.sqrt(((one - other) ** 2).sum()), np.sqrt(((one + other) ** 2).sum()))))


def initial_state(spec: RunSpec, data_root: Path, examples: int) -> tuple[Network, Batch]:
    """Return the track's network before training, in float32, and its first examples."""
    registry = installed_registry()
    dataset = DataLoader(data_root, registry).load_resident(spec.dataset)
    data = open_data(dataset, spec.dataset, torch.device("cpu"), 0)
    network = build(
        shapes_of(spec.architecture, data.input_shape, data.classes, registry.architectures),
        generator(derive_seeds(spec.seed), "init"),
    )
    inputs, targets = next(data.train_slices(examples))
    return network.eval(), Batch(inputs, targets, criterion_of(spec.protocol.loss))


def show_angles(spec: RunSpec, data_root: Path, examples: int) -> None:
    network, batch = initial_state(spec, data_root, examples)
    kind = RULES[spec.rule.name]
    exact_rule = kind(kind.Config.model_validate(spec.rule.config))
    reference = Reference(network, batch)
    by_targets, by_differences = (reference.updates(exact_rule, form) for form in ("targets", "differences"))
    print(f"\n{spec.rule.name} {spec.rule.config}, seed {spec.seed}")
    print(f"{'':34}" + "".join(f"{name:>12}" for name in reference.names))

    def row(label: str, found: dict[str, Array], against: dict[str, Array]) -> None:
        print(f"{label:34}" + "".join(f"{angle_deg(found[n], against[n]):12.2e}" for n in reference.names))

    for form in ("targets", "differences"):
        for precision in ("float32", "float64"):
            rule = kind(kind.Config.model_validate({**spec.rule.config, "form": form, "precision": precision}))
            rule.attach(network, torch.Generator().manual_seed(0))
            row(f"{form}, {precision}", weights_of(network, assigned_gradients(rule, batch)), by_targets)
    row("differences, long double", by_differences, by_targets)
    row("backprop, float32", weights_of(network, backprop_gradients(network, batch)), by_targets)


def weights_of(network: Network, gradients: dict[str, Tensor]) -> dict[str, Array]:
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {segment: long(gradients[names[id(m.weight)]]) for segment, m in network.maps.items()}


SQUARE = {
    "kind": "chain",
    "name": "square",
    "form": "invertible",
    "layers": [{"kind": "dense", "units": 64}] * 4,
    "readout": {"activation": {"kind": "leaky_relu", "slope": 0.1}},
    "defaults": {"activation": {"kind": "leaky_relu", "slope": 0.1}, "initialization": {"scheme": "orthogonal"}},
}
REGULARISER = OrthogonalitySpec(kind="off_diagonal", strength=0.1)
EXACT = "long double"
VARIANTS = (EXACT, "targets, float32", "targets, float64", "differences, float32", "differences, float64")


@dataclass
class Learned:
    """Result of one training."""

    start: Tensor
    weight: Tensor
    angle: float
    test_error: float


def learn(variant: str, seed: int, epochs: int) -> Learned:
    """Train the square network on digits by plain GAIT-prop in one form and type; weights are float32."""
    (entry,) = plan("digits-fc", rules=["backprop"], seeds=1, tier="quick")
    spec = entry.selected.spec.dataset
    data = open_data(DataLoader(Path(), installed_registry()).load_resident(spec), spec, torch.device("cpu"), 0)
    shapes = shapes_of(ChainArchitecture.model_validate(SQUARE), data.input_shape, data.classes)
    network = build(shapes, torch.Generator().manual_seed(seed))
    form, _, precision = variant.partition(", ")
    rule = GaitProp(
        GaitProp.Config()
        if variant == EXACT
        else GaitProp.Config.model_validate({"form": form, "precision": precision})
    )
    rule.attach(network, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    order = torch.Generator().manual_seed(seed)
    start = network.maps["dense1"].weight.detach().clone()
    angle = float("nan")
    for epoch in range(epochs):
        permuted = torch.randperm(data.train_examples, generator=order)
        parts = [slice(i, i + 60) for i in range(0, data.train_examples, 60)]
        for step, (inputs, targets) in enumerate(data.train_batches(permuted, parts)):
            batch = Batch(inputs, targets, criterion_of("squared_error"))
            optimizer.zero_grad()
            is_measured = epoch == epochs - 1 and step == 0
            exact = Reference(network, batch).gradients(rule, "differences") if is_measured or variant == EXACT else {}
            rule.assign_credit(batch)
            if is_measured:
                own = network.maps["dense1"].weight.grad
                angle = angle_deg(long(own), exact["dense1"][0])
            if variant == EXACT:
                assign(network, exact)
            add_orthogonality_gradients(network, REGULARISER)
            optimizer.step()
    wrong = [(network(x).argmax(1) != y).float() for x, y in data.test_slices(1000)]
    return Learned(start, network.maps["dense1"].weight.detach(), angle, float(torch.cat(wrong).mean()))


def assign(network: Network, gradients: dict[str, tuple[Array, Array]]) -> None:
    for name, (weight, bias) in gradients.items():
        own = network.maps[name]
        own.weight.grad = torch.from_numpy(weight.astype(np.float32))
        own.bias.grad = torch.from_numpy(bias.astype(np.float32))


def show_learning(seeds: int, epochs: int) -> None:
    print(f"digits, 5 x 64, plain GAIT-prop, {epochs} epochs; one column per seed")
    exact = [learn(EXACT, seed, epochs) for seed in range(seeds)]
    print(f"{'':24}{'test error, %':>24}{'distance of weights':>30}{'angle, degrees':>30}")
    for variant in VARIANTS:
        found = exact if variant == EXACT else [learn(variant, seed, epochs) for seed in range(seeds)]
        distances = [
            float((one.weight - other.weight).norm() / (other.weight - other.start).norm())
            for one, other in zip(found, exact, strict=True)
        ]
        errors = "".join(f"{100 * one.test_error:8.2f}" for one in found)
        angles = "".join(f"{one.angle:10.2e}" for one in found) if variant != EXACT else ""
        print(f"{variant:24}{errors:>24}{''.join(f'{d:10.2e}' for d in distances):>30}{angles:>30}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["updates", "learning"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--track", default="mnist-square")
    parser.add_argument("--tier", default="quick")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=["gait_prop", "normalized_gait_prop"])
    parser.add_argument("--examples", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data-root", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "learning":
        show_learning(arguments.seeds, arguments.epochs)
        return
    print(f"{arguments.track}: degrees from the reference, long double of {np.finfo(np.longdouble).nmant + 1} bits")
    for entry in plan(arguments.track, rules=arguments.rules, seeds=arguments.seeds, tier=arguments.tier):
        show_angles(entry.selected.spec, find_data_root(arguments.data_root), arguments.examples)


if __name__ == "__main__":
    main()
