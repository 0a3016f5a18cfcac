"""Oracle: the contract of ``replaced_feedback``: these weights, these maps, within the block and nowhere else."""

import pytest
import torch

from benchsuite.networks.maps import Conv2d, Dense, replaced_feedback


def _maps():
    return {"first": Dense(3, 4), "second": Dense(4, 2)}


def _feedback(maps, *names):
    return {name: torch.ones_like(maps[name].weight, requires_grad=False) for name in names}


def test_weights_are_set_within_the_block_and_only_where_named():
    """Would catch a map left on its own weight, or all replaced by one."""
    maps = _maps()
    weights = _feedback(maps, "second")
    with replaced_feedback(maps, weights):
        assert maps["second"].feedback_weight is weights["second"]
        assert maps["first"].feedback_weight is None
    assert maps["second"].feedback_weight is None


def test_an_exception_within_the_block_leaves_nothing_replaced():
    """Would catch a step that ran out of memory and leaves every later gradient going through B."""
    maps = _maps()
    with pytest.raises(RuntimeError, match="out of memory"), replaced_feedback(maps, _feedback(maps, *maps)):
        raise RuntimeError("out of memory")
    assert all(linear_map.feedback_weight is None for linear_map in maps.values())


def test_an_unknown_segment_is_refused():
    """Would catch a feedback weight dropped for a misspelt name: the segment would train by backprop."""
    maps = _maps()
    weights = {"secnd": torch.ones(2, 4)}
    with pytest.raises(Exception, match="secnd"), replaced_feedback(maps, weights):
        pass


def test_an_unknown_segment_leaves_nothing_replaced():
    """Would catch a refused request that has already changed half of the network."""
    maps = _maps()
    weights = {**_feedback(maps, "first"), "secnd": torch.ones(2, 4)}
    with pytest.raises(Exception, match="secnd"), replaced_feedback(maps, weights):
        pass
    assert maps["first"].feedback_weight is None


def test_an_inner_block_gives_back_what_the_outer_one_had_set():
    """Would catch a diagnostic within a rule's step that turns the rest of the step into backprop."""
    maps = _maps()
    outer, inner = _feedback(maps, "first"), _feedback(maps, "first")
    with replaced_feedback(maps, outer):
        with replaced_feedback(maps, inner):
            assert maps["first"].feedback_weight is inner["first"]
        assert maps["first"].feedback_weight is outer["first"]


def test_the_feedback_of_the_forward_pass_holds_for_its_backward_after_the_block():
    """Would catch a feedback weight looked up when backward runs, outside the block, as rules do it."""
    maps = _maps()
    x = torch.ones(1, 3, requires_grad=True)
    with replaced_feedback(maps, {"first": torch.full((4, 3), 2.0)}):
        y = maps["first"](x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.full((1, 3), 8.0))


def test_the_feedback_weight_of_a_step_is_no_part_of_the_networks_state():
    """Would catch feedback saved with the forward weights, or trained by an optimizer made within the block."""
    maps = _maps()
    before = set(maps["first"].state_dict())
    with replaced_feedback(maps, _feedback(maps, "first")):
        assert set(maps["first"].state_dict()) == before
        assert {name for name, _ in maps["first"].named_parameters()} == {"weight", "bias"}


@pytest.mark.parametrize(
    ("linear_map", "shape", "fan_in", "fan_out"),
    [
        (Dense(3, 4), (4, 3), 3, 4),
        (Conv2d(6, 8, 3), (8, 6, 3, 3), 54, 72),
        (Conv2d(6, 8, 3, groups=2), (8, 3, 3, 3), 27, 36),
        (Conv2d(6, 8, 1, stride=2), (8, 6, 1, 1), 6, 8),
    ],
)
def test_shapes_and_fans(linear_map, shape, fan_in, fan_out):
    """Would catch weights stored transposed, and fans that forget groups."""
    assert linear_map.weight.shape == shape
    assert (linear_map.fan_in, linear_map.fan_out) == (fan_in, fan_out)
    assert linear_map.bias.shape == (shape[0],)


def test_a_map_without_bias_has_none():
    """Would catch a zero bias that an optimizer then moves."""
    assert Dense(2, 3, bias=False).bias is None
    assert len(list(Conv2d(1, 2, 3, bias=False).parameters())) == 1
