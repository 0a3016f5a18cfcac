"""Oracle: the spec's own words. (Shapes, parameters and work are held in tests/properties/test_network_shapes.py.)"""

import dataclasses

import pytest

from benchsuite.networks.shapes.infer import infer_shapes
from benchsuite.networks.shapes.network_shapes import FixedLayerShapes, SegmentShapes
from benchsuite.specs.models.architecture import ChainArchitecture


def _shapes(layers, input_shape=(3, 6, 6), classes=4):
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": layers})
    return infer_shapes(spec, input_shape, classes)


def test_every_node_receives_what_the_one_before_gives():
    """Would catch the shapes that is right node by node and does not fit together."""
    plan = _shapes(
        [
            {"kind": "conv2d", "channels": 2, "kernel": 3},
            {"kind": "average_pool", "size": 2},
            {"kind": "dropout", "probability": 0.5},
            {"kind": "dense", "units": 5},
        ]
    )
    shapes = [plan.input_shape]
    for node in plan.nodes:
        assert node.input_shape == shapes[-1]
        shapes.append(node.output_shape)
    assert shapes[-1] == (4,)


def test_only_segments_count_as_segments_and_the_readout_is_the_last():
    """Would catch a pool counted as a hidden layer in a rule's requirements."""
    plan = _shapes([{"kind": "max_pool", "size": 2}, {"kind": "dense", "units": 5}])
    assert [s.name for s in plan.segments] == ["dense1", "readout"]
    assert {type(n) for n in plan.nodes} == {SegmentShapes, FixedLayerShapes}


def test_an_explicit_flatten_is_not_doubled():
    """Would catch a second flatten, harmless to the numbers and confusing in every listing."""
    plan = _shapes([{"kind": "flatten"}, {"kind": "dense", "units": 5}])
    assert len(plan.nodes) == 3
    assert plan.nodes[0].output_shape == (108,)


def test_units_count_all_numbers_of_a_segments_output():
    """Would catch channels taken for units: a DFA matrix would be too narrow by the image's area."""
    assert _shapes([{"kind": "conv2d", "channels": 2, "kernel": 3}]).segments[0].units == 2 * 4 * 4


def test_shapes_cannot_be_changed():
    """Would catch a plan altered after it was hashed."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        _shapes([]).classes = 5


def test_a_plain_chain_says_so():
    """Would catch a network taken for another form or topology when rules are matched with it."""
    plan = _shapes([])
    assert (plan.form, plan.topology) == ("ordinary", "chain")
