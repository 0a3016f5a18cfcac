"""The kit of linear maps and nonlinearities passes the suite's own and catches broken ones; a chain of them trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite.conformance.samples.networks import CustomMap
from benchsuite.credit.batch import Batch
from benchsuite.errors import PluginError, ShapeError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import criterion_of
from benchsuite.networks.maps import Conv2d, Dense, LinearMap, LocallyConnected2d
from benchsuite.networks.nonlinearity import NONLINEARITIES
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.plugin import (
    CustomActivation,
    CustomChain,
    CustomLayer,
    CustomSegment,
    DenseLayer,
    Nonlinearity,
    SegmentDefaults,
)
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import PluginArchitecture
from benchsuite.specs.models.fixed_layers import SumLayer
from benchsuite.testing import LinearMapConformance, NonlinearityConformance


class Conv1d(LinearMap):
    """Convolutions along one axis, without padding; weight (channels, inputs, kernel)."""

    kind = "conv1d"

    def __init__(self, inputs: int, channels: int, kernel: int, bias: bool = True) -> None:
        super().__init__((channels, inputs, kernel), channels, bias)

    @property
    def fan_in(self) -> int:
        return self.weight[0].numel()

    @property
    def fan_out(self) -> int:
        return self.weight.shape[0] * self.weight.shape[2]

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv1d(inputs, weight, bias)

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        return F.conv_transpose1d(cotangent, weight)

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        patches = inputs.unfold(2, self.weight.shape[2], 1)  # (batch, inputs, positions, kernel)
        return torch.einsum("bop,bipk->oik", cotangent, patches)

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        return cotangent.sum((0, 2))


class TestConv1d(LinearMapConformance):
    input_shape = (3, 9)

    def make(self, bias: bool) -> LinearMap:
        return Conv1d(3, 4, 3, bias)


class TestDense(LinearMapConformance):
    input_shape = (7,)

    def make(self, bias: bool) -> LinearMap:
        return Dense(7, 5, bias)


class TestConv2d(LinearMapConformance):
    input_shape = (2, 6, 6)

    def make(self, bias: bool) -> LinearMap:
        return Conv2d(2, 3, 3, padding=1, bias=bias)


class TestLocallyConnected(LinearMapConformance):
    input_shape = (2, 5, 5)

    def make(self, bias: bool) -> LinearMap:
        return LocallyConnected2d(2, 3, 3, 5, 5, bias=bias)


class TestMapOfTheKit(LinearMapConformance):
    input_shape = (6,)

    def make(self, bias: bool) -> LinearMap:
        return CustomMap(6, 5, bias)


def _clip(values: Tensor) -> Tensor:
    return values.clamp(-0.5, 0.5)


CLIP = Nonlinearity(_clip, _clip, lambda cotangent, output: cotangent * (output.abs() < 0.5))


class TestClip(NonlinearityConformance):
    nonlinearity: ClassVar[Nonlinearity] = CLIP


@pytest.mark.parametrize("name", [name for name in NONLINEARITIES if name != "scalar_gate"])
@pytest.mark.parametrize("check", [n for n in dir(NonlinearityConformance) if n.startswith("test_")])
def test_the_suites_own_nonlinearities_pass(name: Any, check: str) -> None:
    suite = type("Own", (NonlinearityConformance,), {"nonlinearity": NONLINEARITIES[name]})
    getattr(suite(), check)()


# --- broken ones -----------------------------------------------------------------------------------------------------


class KeepsItsOwnWeight(Conv1d):
    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        return super().pull_back(cotangent, self.weight, input_shape)


class ForgetsToTranspose(Conv1d):
    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        return super().weight_gradient(inputs, cotangent).flip(2)


class AddsAConstant(Conv1d):
    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return super().apply_weight(inputs, weight, bias) + 1


class HalvesItsBias(Conv1d):
    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        return super().bias_gradient(cotangent) / 2


class WritesIntoItsInputs(Conv1d):
    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        result = super().apply_weight(inputs, weight, bias)
        with torch.no_grad():
            inputs.mul_(1.5)
        return result


class CountsTheKernelOnly(Conv1d):
    @property
    def fan_in(self) -> int:
        return self.weight.shape[2]


class DrawsHalf(Conv1d):
    def draw(self, fill: Callable[[Tensor], object], fill_bias: Callable[[Tensor], object] | None) -> None:
        fill(self.weight[:2])
        if fill_bias is not None:
            fill_bias(self.bias)


@pytest.mark.parametrize(
    ("broken", "check", "says"),
    [
        (KeepsItsOwnWeight, "test_its_operations_are_those_of_one_bilinear_form", "<pull_back, inputs>"),
        (ForgetsToTranspose, "test_its_operations_are_those_of_one_bilinear_form", "<weight_gradient, weight>"),
        (ForgetsToTranspose, "test_its_gradients_are_autograds", "weight_gradient is autograd's"),
        (AddsAConstant, "test_is_linear_in_its_inputs_and_in_its_weight", "linear in the inputs"),
        (HalvesItsBias, "test_its_gradients_are_autograds", "bias_gradient is autograd's"),
        (WritesIntoItsInputs, "test_changes_nothing_that_it_is_given", "inputs changed"),
        (CountsTheKernelOnly, "test_fans_say_how_many_inputs_and_outputs_meet", "the largest output is 9"),
        (DrawsHalf, "test_drawing_fills_the_whole_weight", "weight has values that were not drawn"),
    ],
)
def test_the_kit_catches(broken: type[Conv1d], check: str, says: str) -> None:
    class Suite(LinearMapConformance):
        input_shape = (3, 9)

        def make(self, bias: bool) -> LinearMap:
            return broken(3, 4, 3, bias)

    arguments = (True,) if "bias" in getattr(Suite, check).__annotations__ else ()
    with pytest.raises(AssertionError) as caught:
        getattr(Suite(), check)(*arguments)
    assert says in str(caught.value)


def test_the_kit_catches_a_derivative_of_another_function() -> None:
    wrong = Nonlinearity(_clip, _clip, lambda cotangent, output: cotangent)
    suite = type("Wrong", (NonlinearityConformance,), {"nonlinearity": wrong})
    with pytest.raises(AssertionError, match="pull_back"):
        suite().test_its_derivative_is_autograds()


# --- in a network ----------------------------------------------------------------------------------------------------


class ToSignal(nn.Module):
    """Read an image as a signal per row: (batch, 1, height, width) to (batch, height, width)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1, 2)


def signal_chain(options: dict[str, Any], input_shape: tuple[int, ...], classes: int) -> CustomChain:
    def conv(channels: int, **own: Any) -> CustomSegment:
        return CustomSegment("conv1d", lambda shape, bias: Conv1d(shape[0], channels, 3, bias), **own)

    layers = (
        CustomLayer("to_signal", ToSignal),
        conv(5, norm="batch"),
        conv(4, activation="tanh"),
        DenseLayer(kind="dense", units=6),
        DenseLayer(kind="dense", units=6, bias=False),
        SumLayer(kind="sum", of=(1, 2)),
    )
    return CustomChain(layers[: int(options.get("layers", 6))], CustomActivation("clip", CLIP), SegmentDefaults())


def shapes(builder: Any = signal_chain, **options: Any) -> NetworkShapes:
    spec = PluginArchitecture(name="mine", kind="plugin", builder="signal", options=options)
    return shapes_of(spec, (1, 8, 8), 3, {"signal": builder})


def test_shapes_on_paper_are_those_of_the_network() -> None:
    """Catches a plan whose parameters and products are not those of the network that is built."""
    found = shapes()
    network = build(found, torch.Generator())
    assert list(network.segments) == ["conv1d1", "conv1d2", "dense3", "dense4", "readout"]
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert [segment.output_shape for segment in found.segments] == [(5, 6), (4, 4), (6,), (6,), (3,)]
    assert found.segments[0].macs == 5 * 6 * 8 * 3
    observed = {}
    with network.observed() as outputs:
        network(torch.randn(2, 1, 8, 8))
        observed = {name: tuple(output.shape[1:]) for name, output in outputs.items()}
    assert observed == {segment.name: segment.output_shape for segment in found.segments}
    activations = [s.activation if isinstance(s.activation, str) else s.activation.kind for s in found.segments]
    assert activations == ["clip", "tanh", "clip", "clip", "identity"]


@pytest.mark.parametrize("rule", ["backprop", "feedback_alignment", "direct_feedback_alignment", "predictive_coding"])
def test_rules_train_it(rule: str) -> None:
    """Catches a rule or a network that knows only the suite's own maps and nonlinearities."""
    network = build(shapes(), torch.Generator().manual_seed(0))
    made = installed_registry().rule(rule)
    trained = made(made.Config())
    trained.attach(network, torch.Generator().manual_seed(0))
    inputs, targets = torch.randn(12, 1, 8, 8), torch.arange(12) % 3
    trained.assign_credit(Batch(inputs, targets, criterion_of("cross_entropy")))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    reference = build(shapes(), torch.Generator().manual_seed(0))
    F.cross_entropy(reference(inputs), targets).backward()
    if rule == "backprop":
        for mine, wanted in zip(network.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, wanted.grad)


def test_a_rule_refuses_maps_that_its_traits_leave_out() -> None:
    from benchsuite.credit.traits import incompatibilities

    reasons = incompatibilities(installed_registry().rule("soft_hebb").traits, shapes(), "cross_entropy")
    assert any("conv1d" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (
            CustomSegment("conv1d", lambda shape, bias: Conv1d(3, 4, 3, bias)),
            r"layer 2, conv1d, for inputs of \(8, 8\)",
        ),
        (CustomSegment("other", lambda shape, bias: Conv1d(8, 4, 3, bias)), "its map is of kind 'conv1d'"),
        (CustomLayer("learns", lambda: nn.Linear(8, 8)), "layer 2, learns: has parameters"),
        (CustomLayer("fails", lambda: nn.MaxPool2d(99)), r"layer 2, fails, for inputs of \(8, 8\)"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(layer: CustomSegment | CustomLayer, says: str) -> None:
    def builder(*_: Any) -> CustomChain:
        return CustomChain((CustomLayer("to_signal", ToSignal), layer))

    with pytest.raises(ShapeError, match=says):
        shapes(builder)


def test_what_is_no_architecture_is_still_refused() -> None:
    with pytest.raises(PluginError, match=r"a CustomChain or an nn\.Module"):
        shapes(lambda *_: 3)
