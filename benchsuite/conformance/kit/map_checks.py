"""Check that a linear map, or a nonlinearity, keeps its contract: for authors of either, as of rules.

The oracle is the bilinear form <cotangent, map(inputs, weight)>, of which the operations of a map are three views, and
autograd through the map's own forward operation. All is in float64, on small random values.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from benchsuite.conformance.kit.settings import require
from benchsuite.networks.maps import LinearMap, replaced_feedback
from benchsuite.networks.nonlinearity import Nonlinearity

BATCH = 3
CLOSE = 1e-10
"""Relative difference that rounding of float64 may make in sums of some thousand terms."""


class LinearMapConformance:
    """Tests of one linear map; derive from it, set ``input_shape`` and define ``make``.

    Attributes:
        input_shape: shape of one input that the map takes.

    Example::

        class TestConv1d(LinearMapConformance):
            input_shape = (3, 12)

            def make(self, bias: bool) -> LinearMap:
                return Conv1d(3, channels=5, kernel=3, bias=bias)

    """

    input_shape: ClassVar[tuple[int, ...]]

    def make(self, bias: bool) -> LinearMap:
        """Return a new map; it need not draw its weight."""
        raise NotImplementedError(f"{type(self).__name__} must define make(bias)")

    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
    def test_is_linear_in_its_inputs_and_in_its_weight(self, bias: bool) -> None:
        """Catches a constant or a nonlinearity within the map: feedback weights would then mean something else."""
        made, inputs, weight, _ = self._drawn(bias)
        more, other = torch.randn_like(inputs), torch.randn_like(weight)
        sums = {
            "inputs": (made.apply_weight(inputs + 2 * more, weight), inputs, more, weight, weight),
            "weight": (made.apply_weight(inputs, weight + 2 * other), inputs, inputs, weight, other),
        }
        for name, (whole, first_inputs, second_inputs, first, second) in sums.items():
            parts = made.apply_weight(first_inputs, first) + 2 * made.apply_weight(second_inputs, second)
            require(
                _are_close(whole, parts),
                asks=f"apply_weight is linear in the {name}",
                seen=[f"the map of a sum of {name} differs from the sum of maps by {_distance(whole, parts):.2g}"],
                remedy="leave the bias and everything nonlinear out of the product with the weight",
            )

    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
    def test_its_operations_are_those_of_one_bilinear_form(self, bias: bool) -> None:
        """Catches a transpose that is not one, and a gradient with axes exchanged: they agree with no forward pass."""
        made, inputs, weight, cotangent = self._drawn(bias)
        form = (cotangent * made.apply_weight(inputs, weight)).sum()
        pulled = made.pull_back(cotangent, weight, inputs.shape)
        gradient = made.weight_gradient(inputs, cotangent)
        for name, found, like in (("pull_back", pulled, inputs), ("weight_gradient", gradient, weight)):
            require(
                found.shape == like.shape,
                asks=f"{name} returns the shape {tuple(like.shape)}",
                seen=[f"shape {tuple(found.shape)}"],
                remedy="return a tensor of that shape, with the batch axis first for pull_back",
            )
            value = (found * like).sum()
            require(
                _are_close(value, form),
                asks=f"<{name}, {'inputs' if name == 'pull_back' else 'weight'}> is <cotangent, apply_weight(inputs)>",
                seen=[f"{value:.6g} instead of {form:.6g}"],
                remedy=f"{name} must be the exact transpose of apply_weight in that argument",
            )

    def test_its_gradients_are_autograds(self) -> None:
        """Catches a gradient that is right in one direction alone, and a bias that is added twice or not at all."""
        made, inputs, _, cotangent = self._drawn(True)
        assert made.bias is not None
        leaf = inputs.clone().requires_grad_()
        output = made.apply_weight(leaf, made.weight, made.bias)
        wanted = torch.autograd.grad(output, (leaf, made.weight, made.bias), cotangent)
        found = made.backward_through(inputs, cotangent, made.weight, True)
        for name, mine, autograds in zip(("pull_back", "weight_gradient", "bias_gradient"), found, wanted, strict=True):
            assert mine is not None
            require(
                mine.shape == autograds.shape and _are_close(mine, autograds),
                asks=f"{name} is autograd's through apply_weight",
                seen=[
                    f"they differ by {_distance(mine, autograds):.2g}" if mine.shape == autograds.shape else "shapes"
                ],
                remedy="work it out from apply_weight; the bias is added after the product, broadcast over positions",
            )

    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
    def test_credit_goes_back_through_a_feedback_weight_in_its_place(self, bias: bool) -> None:
        """Catches a map that keeps its own weight for the way back: feedback alignment would be backprop in it."""
        made, inputs, _, cotangent = self._drawn(bias)
        feedback = torch.randn_like(made.weight)
        leaf = inputs.clone().requires_grad_()
        with replaced_feedback({"map": made}, {"map": feedback}):
            output = made(leaf)
        output.backward(cotangent)
        assert leaf.grad is not None
        assert made.weight.grad is not None
        checks = {
            "the output is that of the forward weight": (output, made.apply_weight(inputs, made.weight, made.bias)),
            "credit is pulled back through the feedback weight": (
                leaf.grad,
                made.pull_back(cotangent, feedback, inputs.shape),
            ),
            "the weight's gradient is its own": (made.weight.grad, made.weight_gradient(inputs, cotangent)),
        }
        for asks, (found, wanted) in checks.items():
            require(
                _are_close(found, wanted),
                asks=asks,
                seen=[f"it differs by {_distance(found, wanted):.2g}"],
                remedy="use the weight that is given to each operation, never self.weight; keep LinearMap.forward",
            )

    def test_changes_nothing_that_it_is_given(self) -> None:
        """Catches an operation in place: what it overwrites is another segment's activity."""
        made, inputs, weight, cotangent = self._drawn(True)
        given = {"inputs": inputs, "weight": weight, "cotangent": cotangent}
        before = {name: value.clone() for name, value in given.items()}
        made.apply_weight(inputs, weight, made.bias)
        made.pull_back(cotangent, weight, inputs.shape)
        made.weight_gradient(inputs, cotangent)
        made.bias_gradient(cotangent)
        changed = [name for name, value in given.items() if not torch.equal(value, before[name])]
        require(
            not changed,
            asks="operations leave their arguments as they are",
            seen=[f"{name} changed" for name in changed],
            remedy="write into new tensors",
        )

    def test_fans_say_how_many_inputs_and_outputs_meet(self) -> None:
        """Catches fans that do not count what the weight connects: initial weights would be of the wrong size."""
        made, _, weight, cotangent = self._drawn(True)
        ones = torch.ones_like(weight)
        read = made.apply_weight(torch.ones(1, *self.input_shape, dtype=ones.dtype), ones)
        reached = made.pull_back(torch.ones_like(cotangent[:1]), ones, torch.Size((1, *self.input_shape)))
        most, some = float(read.max()), float(reached.max())
        require(
            abs(made.fan_in - most) < 1e-3,
            asks="fan_in is the number of inputs of one output",
            seen=[f"{made.fan_in}; with all weights and inputs one, the largest output is {most:g}"],
            remedy="count connections; choose an input_shape with an output that padding leaves no input out of",
        )
        require(
            made.fan_out >= 1 and some >= 1,
            asks="fan_out is the number of outputs of one input, their mean where inputs differ, and at least one",
            seen=[f"{made.fan_out}; with all weights one, the best connected input reaches {some:g} outputs"],
            remedy="count connections",
        )

    def test_drawing_fills_the_whole_weight(self) -> None:
        """Catches a weight that stays at zero in part, whatever the scheme."""
        made = self.make(True)
        made.draw(
            lambda values: torch.nn.init.constant_(values, 2.0), lambda values: torch.nn.init.constant_(values, 3.0)
        )
        assert made.bias is not None
        left = [
            n for n, value, drawn in (("weight", made.weight, 2.0), ("bias", made.bias, 3.0)) if (value != drawn).any()
        ]
        require(
            not left,
            asks="draw fills the whole weight and bias",
            seen=[f"the {name} has values that were not drawn" for name in left],
            remedy="call fill on every part of the weight",
        )

    def _drawn(self, bias: bool) -> tuple[LinearMap, Tensor, Tensor, Tensor]:
        """Return a map, inputs, another weight for it, and a cotangent at its output."""
        torch.manual_seed(0)
        made = self.make(bias).double()
        require(
            (made.bias is not None) == bias,
            asks=f"make(bias={bias}) returns a map {'with' if bias else 'without'} a bias",
            seen=[f"its bias is {made.bias}"],
            remedy="pass bias on to LinearMap.__init__",
        )
        with torch.no_grad():
            made.weight.normal_()
            if made.bias is not None:
                made.bias.normal_()
        inputs = torch.randn(BATCH, *self.input_shape, dtype=torch.float64)
        weight = torch.randn_like(made.weight).detach()
        cotangent = torch.randn_like(made.apply_weight(inputs, weight)).detach()
        return made, inputs, weight, cotangent


class NonlinearityConformance:
    """Tests of one nonlinearity; derive from it and set ``nonlinearity``."""

    nonlinearity: ClassVar[Nonlinearity]

    def test_in_place_or_not_it_gives_the_same(self) -> None:
        """Catches a form that a segment uses and a diagnostic does not, with other values; and a changed argument."""
        values = _values()
        kept = values.clone()
        output = self.nonlinearity.apply(values)
        require(
            torch.equal(values, kept),
            asks="apply leaves its argument as it is",
            seen=["the argument changed"],
            remedy="return a new tensor",
        )
        require(
            torch.equal(self.nonlinearity.apply_in_place(values), output),
            asks="apply_in_place gives what apply gives",
            seen=["other values"],
            remedy="make one of the other",
        )

    def test_its_derivative_is_autograds(self) -> None:
        """Catches a backward pass of another function; credit through it would be wrong in every segment."""
        pull_back = self.nonlinearity.pull_back
        if pull_back is None:
            return  # autograd does it
        values = _values()
        cotangent = torch.randn_like(values)
        leaf = values.clone().requires_grad_()
        (wanted,) = torch.autograd.grad(self.nonlinearity.apply(leaf), leaf, cotangent)
        found = pull_back(cotangent, self.nonlinearity.apply(values))
        require(
            _are_close(found, wanted),
            asks="pull_back(cotangent, output) is autograd's gradient of apply",
            seen=[f"they differ by {_distance(found, wanted):.2g}"],
            remedy="work the derivative out from the output; if the output does not determine it, give None",
        )

    def test_its_inverse_is_one(self) -> None:
        """Catches an inverse that is one on a part of the numbers only: targets are found for any."""
        invert = self.nonlinearity.invert
        if invert is None:
            return
        values = _values()
        found = invert(self.nonlinearity.apply(values))
        require(
            _are_close(found, values),
            asks="invert undoes apply for every number",
            seen=[f"off by {_distance(found, values):.2g}"],
            remedy="give None if only some outputs have an inverse",
        )


def _values() -> Tensor:
    """Return values away from kinks at whole and half numbers, shape (4, 6)."""
    torch.manual_seed(0)
    return torch.randn(4, 6, dtype=torch.float64) * 2 + 0.013


def _distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max())


def _are_close(found: Tensor, wanted: Tensor) -> bool:
    return _distance(found, wanted) <= CLOSE * (1 + float(wanted.abs().max()))
