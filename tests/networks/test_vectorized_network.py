"""Oracles: the GEVB paper's initialization table, distances between codes, and the spec itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Generator

from benchsuite.credit import record_forward
from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import MAP_KINDS, build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.maps.vectorized import VECTOR_MAPS, VectorMap
from benchsuite.networks.pooling import AveragePool
from benchsuite.networks.segments import Flatten, Sum
from benchsuite.networks.vector_segment import OverComponents, VectorSegment, codes_of, draw_gating_vectors
from benchsuite.specs.models.architecture import BinaryCode, ChainArchitecture
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting

PAIRS = {"scheme": "he_normal", "on_off": "channels"}
DATA_PAIRS = {"scheme": "lecun_normal", "on_off": "channels"}
POOL = {"kind": "average_pool", "size": 2}


def _network(layers, input_shape=(2, 8, 8), classes=10, seed=0, **chain):
    spec = {
        "kind": "chain",
        "name": "asked",
        "form": "vectorized",
        "layers": layers,
        "defaults": {"activation": "vector_gate"},
        **chain,
    }
    plan = shapes_of(ChainArchitecture.model_validate(spec), input_shape, classes)
    return build(plan, Generator().manual_seed(seed))


def _dense(units, **options):
    return {"kind": "dense", "units": units, **options}


def _conv(channels, **options):
    return {"kind": "conv2d", "channels": channels, "kernel": 3, "padding": 1, **options}


# --- what is built ----------------------------------------------------------------------------------------------------


def test_what_reads_the_data_and_what_reads_vectors_are_different_maps():
    """Would catch weights of their own for every component past the data: K times too many."""
    network = _network([_conv(4), _conv(4), {"kind": "sum"}, POOL, _dense(6)])
    nodes = dict(network.steps())
    kinds = [type(node) for node in nodes.values()]
    assert kinds == [VectorSegment, VectorSegment, Sum, OverComponents, OverComponents, VectorSegment, VectorSegment]
    assert isinstance(network.maps["conv1"], VECTOR_MAPS["conv2d"][0])
    assert isinstance(network.maps["conv2"], VECTOR_MAPS["conv2d"][1])
    assert isinstance(network.maps["dense3"], VECTOR_MAPS["dense"][1])
    assert all(isinstance(m, VectorMap) and m.components == 10 for m in network.maps.values())
    assert [type(n.module) for n in nodes.values() if isinstance(n, OverComponents)] == [AveragePool, Flatten]


def test_every_kind_of_map_has_a_vectorized_form():
    """Would catch a new map that a vectorized spec accepts and the builder does not know."""
    assert set(VECTOR_MAPS) == set(MAP_KINDS)


def test_only_gated_segments_have_gating_vectors_and_they_are_saved():
    """Would catch a readout with a gate, or a resumed network with other gates than its own."""
    network = _network([_dense(6), _dense(4, activation="identity")], (5,))
    assert network.segments["dense1"].gating_vectors.shape == (6, 10)
    assert network.segments["dense2"].gating_vectors is None
    assert network.segments["readout"].gating_vectors is None
    assert "nodes.dense1.gating_vectors" in network.state_dict()
    assert not any("gating" in name for name, _ in network.named_parameters())


def test_gating_vectors_are_random_signs_in_neighbouring_pairs_of_opposites():
    """Would catch two halves where the weights' pairs are neighbours, or vectors that are alike in all units."""
    gating = draw_gating_vectors(4000, 10, Generator().manual_seed(0))
    assert set(gating.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(gating[0::2], -gating[1::2])
    assert gating[0::2].mean().abs() < 0.03
    assert len(gating[0::2].unique(dim=0)) > 800  # of 1,024
    assert not torch.equal(gating, draw_gating_vectors(4000, 10, Generator().manual_seed(1)))


def test_a_gate_is_open_where_the_projection_is_zero():
    """Would catch > for the paper's Θ as its code has it: from zero weights nothing would ever learn."""
    network = _network([_dense(6)], (5,), defaults={"activation": "vector_gate", "initialization": {"scheme": "zeros"}})
    gate = network.segments["dense1"].gate(torch.zeros(2, 10, 6))
    assert torch.equal(gate, torch.ones(2, 6))


# --- codes ------------------------------------------------------------------------------------------------------------


def test_codes_are_binary_digits_lowest_first_and_repeated():
    """Would catch codes that two classes share."""
    codes = codes_of(BinaryCode(kind="binary", bits=7), 5)
    plus = (codes > 0).int().tolist()
    assert plus == [[0] * 7, [1, 0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 1, 0, 0], [1, 1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0]]
    four = (codes_of(BinaryCode(kind="binary", bits=4), 4) > 0).int().tolist()
    assert four == [[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1]]
    assert codes_of("one_hot", 5) is None


@pytest.mark.parametrize(("classes", "bits"), [(2, 1), (3, 2), (10, 4), (10, 12), (1000, 10), (1000, 25)])
def test_all_classes_have_codes_of_their_own(classes, bits):
    """Would catch a digit too few."""
    assert len(codes_of(BinaryCode(kind="binary", bits=bits), classes).unique(dim=0)) == classes


def test_the_class_of_the_nearest_code_is_predicted():
    """Would catch logits that are not products with the codes: all codes are equally long, so nearest is largest."""
    network = _network([_dense(8)], (6,), classes=11, output_code={"kind": "binary", "bits": 9})
    outputs = torch.randn(50, 9, 1, generator=Generator().manual_seed(2))
    distances = torch.cdist(outputs[:, :, 0], network.codes)
    assert torch.equal(network.decode(outputs).argmax(1), distances.argmin(1))
    inputs = torch.randn(5, 6, generator=Generator().manual_seed(3))
    assert network(inputs).shape == (5, 11)


def test_narrow_products_do_not_narrow_the_codes():
    """Would catch logits in bfloat16, in which classes tie: the codes' product is part of the loss, not of the map."""
    network = _network([_dense(16), _dense(16)], (6,), classes=7, output_code={"kind": "binary", "bits": 6})
    network.autocast_dtype = torch.bfloat16
    inputs = torch.randn(5, 6, generator=Generator().manual_seed(3))
    batch = Batch(inputs, torch.arange(5), CRITERIA["cross_entropy"])
    with network.observed() as outputs:
        logits = network(inputs)
    assert {o.dtype for o in outputs.values()} == {torch.bfloat16}
    tape = record_forward(network, batch)
    assert {o.dtype for o in tape.outputs.values()} == {torch.bfloat16}
    assert logits.dtype == tape.logits.dtype == tape.vector_error.dtype == torch.float32
    for output, own in ((outputs["readout"], logits), (tape.outputs["readout"], tape.logits)):
        torch.testing.assert_close(own, output.float().flatten(1) @ network.codes.T, rtol=1e-6, atol=1e-6)


# --- initial weights --------------------------------------------------------------------------------------------------

# Layers with what an output of theirs sums over, first the one that reads the data.
WIDE = {
    "dense": ([_dense(200, initialization=DATA_PAIRS), _dense(300)], (400,), {"dense1": 400, "dense2": 200}),
    "conv": (
        [_conv(60, initialization=DATA_PAIRS), POOL, _conv(80), _dense(100)],
        (20, 6, 6),
        {"conv1": 180, "conv2": 540, "dense3": 720},
    ),
    "locally connected": (
        [
            {**_conv(40, initialization=DATA_PAIRS), "kind": "locally_connected2d"},
            POOL,
            {**_conv(40), "kind": "locally_connected2d"},
        ],
        (10, 6, 6),
        {"local1": 90, "local2": 360},
    ),
}


@pytest.mark.parametrize("kind", sorted(WIDE))
def test_nonnegative_weights_have_the_papers_spread(kind):
    """Would catch He's gain where the data are read, a fan-in counted K times, or He's for the whole fan-in."""
    layers, input_shape, fans = WIDE[kind]
    network = _network(
        layers, input_shape, weight_sign="nonnegative", defaults={"activation": "vector_gate", "initialization": PAIRS}
    )
    first, *others = fans
    weight = network.maps[first].weight.detach().numpy()
    assert weight.std() == pytest.approx(math.sqrt(1 / fans[first]), rel=0.02)
    for name in others:
        values = network.maps[name].weight.detach().numpy()
        assert values.min() == 0
        assert (values > 0).mean() == pytest.approx(0.5, abs=0.01)
        # Half of the entries are the magnitudes of N(0, 4/fan_in), the others zero.
        assert np.sqrt((values[values > 0] ** 2).mean()) == pytest.approx(math.sqrt(4 / fans[name]), rel=0.02)
    assert not any(m.bias.any() for m in network.maps.values())


@pytest.mark.parametrize("kind", sorted(WIDE))
def test_mixed_weights_have_the_papers_spread(kind):
    """Would catch a fan-in halved where there are no pairs."""
    layers, input_shape, fans = WIDE[kind]
    first, *others = layers
    network = _network(
        [{**first, "initialization": {"scheme": "lecun_normal"}}, *others],
        input_shape,
        defaults={"activation": "vector_gate", "initialization": {"scheme": "he_normal"}},
    )
    for position, (name, fan_in) in enumerate(fans.items()):
        expected = math.sqrt((1 if position == 0 else 2) / fan_in)
        assert network.maps[name].weight.detach().std().item() == pytest.approx(expected, rel=0.03)
        assert network.maps[name].weight.detach().mean().abs() < 0.05 * expected


@pytest.mark.parametrize("kind", sorted(WIDE))
def test_pairs_that_read_the_data_have_opposite_weights(kind):
    """Would catch partners in two halves, or in different components' banks."""
    layers, input_shape, fans = WIDE[kind]
    network = _network(layers, input_shape, defaults={"activation": "vector_gate", "initialization": PAIRS})
    weight = network.maps[next(iter(fans))].weight
    weight = weight.movedim(1, 0) if kind == "locally connected" else weight
    assert torch.equal(weight[0::2], -weight[1::2])
    assert not torch.equal(weight[0], weight[2])


def test_activations_neither_grow_nor_fade_with_depth():
    """Would catch nonnegative weights whose mean drives all units: activations would grow by the root of the width."""
    layers = [_dense(200, initialization=DATA_PAIRS), *[_dense(200) for _ in range(7)]]
    network = _network(
        layers, (100,), weight_sign="nonnegative", defaults={"activation": "vector_gate", "initialization": PAIRS}
    ).double()
    inputs = torch.randn(20, 100, generator=Generator().manual_seed(1), dtype=torch.float64)
    tape = record_forward(network, Batch(inputs, torch.arange(20) % 10, CRITERIA["cross_entropy"]))
    sizes = [tape.outputs[name].square().mean().item() for name in network.hidden]
    assert 0.25 < sizes[-1] / sizes[0] < 4
    assert sizes[0] == pytest.approx(0.5, rel=0.25)  # unit variance, half of it behind the gate


# --- the constraint ---------------------------------------------------------------------------------------------------


def _push_below_zero(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(-1.0)


def test_constraining_clamps_the_weights_past_the_data_and_nothing_else():
    """Would catch clamped biases, or a first layer that could no longer tell light from dark."""
    layers = [_conv(4), {**_conv(4), "kind": "locally_connected2d"}, POOL, _dense(6)]
    defaults = {"activation": "vector_gate", "initialization": PAIRS}
    network = _network(layers, weight_sign="nonnegative", defaults=defaults)
    _push_below_zero(network)
    network.constrain()
    clamped = {name for name, p in network.named_parameters() if not p.any()}
    assert clamped == {f"nodes.{name}.map.weight" for name in ("local2", "dense3", "readout")}
    assert all((p == -1).all() for name, p in network.named_parameters() if name not in clamped)


def test_mixed_networks_are_not_constrained():
    """Would catch every vectorized network clamped."""
    network = _network([_dense(6)], (5,))
    _push_below_zero(network)
    network.constrain()
    assert all((p == -1).all() for p in network.parameters())


def test_gevb_takes_over_all_but_the_readout():
    """Would catch a record that says backprop trained what was broadcast to."""
    network = _network([_conv(4), POOL, _dense(6)])
    rule = GlobalErrorVectorBroadcasting()
    rule.attach(network, Generator().manual_seed(0))
    assert rule.taken_over == ("conv1", "dense2")
    assert not list(rule.buffers())
