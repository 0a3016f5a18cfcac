"""Oracles: the GEVB paper's Tables 3 and 4 with the counts worked out from them, and what its form has no place for."""

from __future__ import annotations

import pytest
from torch import Generator

from benchsuite.errors import ShapeError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.shapes.network_shapes import FixedLayerShapes
from benchsuite.specs.models.architecture import ChainArchitecture

MNIST, CIFAR10 = (1, 28, 28), (3, 32, 32)
POOL = {"kind": "average_pool", "size": 2}
PAIRS = {"scheme": "he_normal", "on_off": "channels"}
CONV = {"kind": "conv2d", "channels": 4, "kernel": 3}


def _dense(units, **options):
    return {"kind": "dense", "units": units, **options}


def _conv(channels, kernel, stride, padding):
    return {"kind": "conv2d", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}


def _local(*sizes):
    return {**_conv(*sizes), "kind": "locally_connected2d"}


def _plan(layers, input_shape=(2, 8, 8), classes=10, **chain):
    form = chain.pop("form", "vectorized")
    defaults = {"activation": "vector_gate" if form == "vectorized" else "relu", **chain.pop("defaults", {})}
    spec = {"kind": "chain", "name": "asked", "form": form, "layers": layers, "defaults": defaults, **chain}
    return shapes_of(ChainArchitecture.model_validate(spec), input_shape, classes)


# --- sizes ------------------------------------------------------------------------------------------------------------

PAPERS = {
    "MNIST FC": (MNIST, [_dense(1024), _dense(512)], 8_552_960, 1_332_224),
    "MNIST Conv": (MNIST, [_conv(64, 3, 1, 1), POOL, _conv(32, 3, 1, 1), POOL, _dense(1024)], 1_630_848, 1_634_880),
    "MNIST LC": (MNIST, [_local(32, 3, 1, 1), POOL, _local(32, 3, 1, 1), POOL, _dense(1024)], 5_670_912, 3_648_000),
    "CIFAR10 FC": (CIFAR10, [_dense(1024), _dense(512), _dense(512)], 32_244_224, 3_937_280),
    "CIFAR10 Conv": (
        CIFAR10,
        [_conv(128, 5, 1, 2), POOL, _conv(64, 5, 1, 2), POOL, _conv(64, 2, 2, 0), _dense(1024)],
        1_366_784,
        1_289_600,
    ),
    "CIFAR10 LC of 256": (
        CIFAR10,
        [_local(64, 5, 1, 2), POOL, _local(32, 5, 1, 2), POOL, _local(32, 2, 2, 0), _dense(256)],
        62_456_064,
        None,
    ),
    "CIFAR10 LC of 512": (
        CIFAR10,
        [_local(64, 5, 1, 2), POOL, _local(32, 5, 1, 2), POOL, _local(32, 2, 2, 0), _dense(512)],
        None,
        18_355_200,
    ),
}


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_networks_of_the_paper_have_its_numbers_of_weights(name):
    """Would catch a readout of K units, a first layer without its K banks, or weights of other layers K times."""
    input_shape, layers, vectorized, ordinary = PAPERS[name]
    without = {"bias": False}
    if vectorized is not None:
        assert _plan(layers, input_shape, defaults=without).parameters == vectorized
    if ordinary is not None:
        assert _plan(layers, input_shape, form="ordinary", defaults=without).parameters == ordinary


def test_biases_have_a_value_for_every_component():
    """Would catch a bias shared over components: b is a vector in every unit, and of every position where untied."""
    plan = _plan([_conv(4, 3, 1, 0), _local(6, 2, 1, 0), _dense(8)], classes=5)
    without = _plan([_conv(4, 3, 1, 0), _local(6, 2, 1, 0), _dense(8)], classes=5, defaults={"bias": False})
    biases = {a.name: a.parameters - b.parameters for a, b in zip(plan.segments, without.segments, strict=True)}
    assert biases == {"conv1": 5 * 4, "local2": 5 * 6 * 5 * 5, "dense3": 5 * 8, "readout": 5}


def test_counts_and_shapes_are_those_of_the_network_that_is_built():
    """Would catch a plan that is right on paper only: memory and cost are estimated from it."""
    layers = [_conv(4, 3, 2, 1), POOL, _local(4, 2, 1, 1), _dense(6)]
    plan = _plan(layers, classes=7, output_code={"kind": "binary", "bits": 5})
    network = build(plan, Generator().manual_seed(0))
    assert plan.components == 5
    for segment in plan.segments:
        assert segment.parameters == sum(p.numel() for p in network.segments[segment.name].parameters())


def test_work_counts_every_component_once():
    """Would catch the expanded input's products with zeros counted, or the other components forgotten."""
    plan = _plan([_dense(8), _dense(6)], (20,), classes=5)
    assert [s.macs for s in plan.segments] == [5 * 20 * 8, 5 * 8 * 6, 5 * 6]


def test_pools_of_the_data_know_that_they_read_no_vectors():
    """Would catch the data's pool applied to components that are not there yet."""
    plan = _plan([POOL, CONV, POOL, _dense(6)])
    assert [n.reads_vectors for n in plan.nodes if isinstance(n, FixedLayerShapes)] == [False, True, True]
    assert [s.reads_input for s in plan.segments] == [True, False, False]


def test_channels_are_remembered_behind_a_flatten():
    """Would catch ON/OFF partners sought among pixels: behind a flatten they are still neighbouring channels."""
    plan = _plan([CONV, POOL, {"kind": "flatten"}, _dense(6)])
    assert {s.name: s.input_channels for s in plan.segments} == {"conv1": 2, "dense2": 4, "readout": 6}


def test_a_chain_without_layers_is_a_readout_that_reads_the_data():
    """Would catch a readout that expects vector units where there are none."""
    plan = _plan([], (20,), classes=3)
    assert plan.segments[0].reads_input
    assert plan.parameters == 3 * 20 + 3


# --- what has no place ------------------------------------------------------------------------------------------------

NONNEGATIVE = {"weight_sign": "nonnegative", "defaults": {"initialization": PAIRS}}
REFUSED = {
    "max pool": (
        [CONV, {"kind": "max_pool", "size": 2}],
        {},
        r"layer 2, max_pool: treats components of a vector unit differently.*average_pool, flatten and sum",
    ),
    "padded pool": ([CONV, {"kind": "zero_padded_max_pool", "size": 2}], {}, r"layer 2, zero_padded_max_pool: treats"),
    "dropout": ([CONV, {"kind": "dropout", "probability": 0.5}], {}, r"layer 2, dropout: treats components"),
    "norm": ([{**CONV, "norm": "batch"}], {}, r"layer 1, conv2d: norm batch has no form for vector units; use norm: n"),
    "relu": (
        [_dense(4, activation="relu")],
        {},
        r"layer 1, dense: activation relu is not for vector units; use vector_gate \(or identity\)",
    ),
    "odd units": ([_dense(5)], {}, r"layer 1, dense: 5 channels; gating vectors come in pairs, so use an even number"),
    "odd channels": ([CONV, {**CONV, "channels": 3}], {}, r"layer 2, conv2d: 3 channels; gating vectors come in pairs"),
    "groups of the data": (
        [{**CONV, "groups": 2}],
        {},
        r"layer 1, conv2d: groups in a segment that reads the data.*use groups: 1",
    ),
    "sum with the data": (
        [{**CONV, "channels": 2, "padding": 1}, {"kind": "sum"}],
        {},
        r"layer 2, sum of the layers 1, 2 back: adds data to vector units",
    ),
    "nonnegative without pairs": (
        [CONV, _dense(4)],
        {"weight_sign": "nonnegative"},
        r"layer 2, dense: weight_sign: nonnegative needs nonnegative weights to start from.*"
        r"on_off to channels \(or scheme: zeros\)",
    ),
    "few bits": (
        [],
        {"output_code": {"kind": "binary", "bits": 3}},
        r"output_code has 3 bits, which tell 8 classes apart; there are 10: use at least 4",
    ),
    "vector gate on numbers": (
        [_dense(4, activation="vector_gate")],
        {"form": "ordinary"},
        r"layer 1: activation vector_gate is for form: vectorized",
    ),
    "odd pairs of outputs": (
        [_dense(5, activation="identity")],
        {"defaults": {"initialization": PAIRS}},
        r"layer 1, dense: 5 outputs; ON/OFF pairs need an even number",
    ),
    "odd pairs of inputs": (
        [_dense(5, activation="identity", initialization={"scheme": "he_normal"}), _dense(4)],
        {"defaults": {"initialization": PAIRS}},
        r"layer 2, dense: 5 inputs; ON/OFF pairs need an even number",
    ),
    "pairs of a lone readout": ([], NONNEGATIVE, r"layer 1, dense: 1 outputs; ON/OFF pairs need an even number"),
    "pairs in groups": (
        [CONV, {**CONV, "groups": 2}],
        NONNEGATIVE,
        r"layer 2, conv2d: ON/OFF pairs have no form for groups; use groups: 1",
    ),
    "adjacent pairs of an odd vector": (
        [{"kind": "dense", "units": 3}, {"kind": "dense", "units": 4}],
        {"form": "ordinary", "defaults": {"initialization": {"scheme": "he_normal", "on_off": "adjacent"}}},
        r"layer 1, dense: 3 outputs; ON/OFF pairs need an even number",
    ),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_has_no_place_in_a_vectorized_network_is_refused_by_layer(what):
    """Would catch a network that is built and means something else, or an error that names no layer."""
    layers, chain, message = REFUSED[what]
    with pytest.raises(ShapeError, match=message):
        _plan(layers, **{**chain, "defaults": {**chain.get("defaults", {})}})


def test_what_lies_before_the_first_segment_may_be_anything():
    """Would catch the data's own pools and dropout refused: they are no vector units yet."""
    plan = _plan([{"kind": "max_pool", "size": 2}, {"kind": "dropout", "probability": 0.1}, CONV])
    assert len(plan.segments) == 2


@pytest.mark.parametrize("initialization", [PAIRS, {"scheme": "zeros"}])
def test_nonnegative_networks_start_from_pairs_or_from_zeros(initialization):
    """Would catch zero weights refused, from which GEVB can learn."""
    plan = _plan([CONV, _dense(4)], weight_sign="nonnegative", defaults={"initialization": initialization})
    assert plan.nonnegative


def test_a_readout_may_be_a_lone_on_cell():
    """Would catch the readout's one vector unit refused for want of a partner."""
    assert _plan([_dense(4)], **NONNEGATIVE).segments[-1].output_shape == (1,)


@pytest.mark.parametrize(("classes", "bits"), [(8, 3), (10, 4), (2, 1), (1000, 10)])
def test_a_code_may_have_just_enough_bits(classes, bits):
    """Would catch the last class counted twice."""
    assert _plan([], classes=classes, output_code={"kind": "binary", "bits": bits}).components == bits


def test_output_codes_are_for_vector_units():
    """Would catch a code accepted where each class has an output of its own."""
    with pytest.raises(ValueError, match="output_code is for form: vectorized"):
        _plan([], form="ordinary", output_code={"kind": "binary", "bits": 4})
