"""Oracles: the NumPy reference's gradient from given credit, DFA written out from the papers' facts, and the identity
DFA with one hidden layer = feedback alignment.

Second mechanism: every segment's input is cut off and credit is handed to its output directly.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.credit import record_forward
from benchsuite.errors import IncompatibleError, ShapeError
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment

from .chains import (
    as_array,
    assert_gradients,
    assert_near,
    attached,
    conv_case,
    conv_chains,
    dense_case,
    dense_chains,
    descend,
    deterministic,
    gradients_of,
    gradients_under,
    trace_of,
)
from .reference import cross_entropy, gradients_along_chain, gradients_from_credit


def _hold_given_credit(case):
    network = case.network()
    trace, error = trace_of(case, network)
    credit = {name: case.random_array(*y.shape) for name, y in trace.outputs.items() if name != "readout"}
    tape = record_forward(network, case.data())
    for name, output in tape.outputs.items():
        assert_near(output, trace.outputs[name], case.dtype, name)
    assert_near(tape.error, error, case.dtype)
    tape.assign({name: torch.from_numpy(value) for name, value in credit.items()})
    assert_gradients(gradients_of(network), gradients_from_credit(trace, {**credit, "readout": error}), case.dtype)


@deterministic
@given(case=dense_chains())
def test_given_credit_forms_the_hand_written_gradient_in_dense_chains(case):
    """Would catch a forgotten derivative, a bias without gradient, or credit leaking between segments."""
    _hold_given_credit(case)


@deterministic
@given(case=dense_chains(norms=True))
def test_given_credit_forms_the_hand_written_gradient_through_norms(case):
    """Would catch credit placed on the wrong side of the norm."""
    _hold_given_credit(case)


@deterministic
@given(case=conv_chains())
def test_given_credit_forms_the_hand_written_gradient_in_conv_chains(case):
    """Would catch a pooling factor in the credit, or credit laid out over positions in another order."""
    _hold_given_credit(case)


def test_readout_credit_given_by_name_takes_the_place_of_the_output_error():
    """Would catch a rule's own readout credit being ignored or added to the error."""
    case = dense_case(8)
    network = case.network()
    credit = case.random_array(case.batch, case.classes)
    record_forward(network, case.data()).assign({"readout": torch.from_numpy(credit)})
    trace, _ = trace_of(case, network)
    found = {path: value for path, value in gradients_of(network).items() if path.startswith("readout.")}
    assert_gradients(found, gradients_from_credit(trace, {"readout": credit}), case.dtype)


def test_a_segment_left_out_gets_no_gradient():
    """Would catch zeros in place of None, with which an optimizer still decays and carries momentum."""
    case = dense_case(8, 7, 6)
    network = case.network()
    record_forward(network, case.data()).assign({"dense2": torch.ones(case.batch, 7, dtype=case.dtype)})
    assert {path.split(".")[0] for path, value in gradients_of(network).items() if value is not None} == {
        "dense2",
        "readout",
    }


def test_credit_for_an_unknown_segment_is_refused_and_names_the_segments():
    """Would catch credit silently dropped for a misspelt name."""
    case = dense_case(8)
    tape = record_forward(case.network(), case.data())
    with pytest.raises(ShapeError, match=r"dens1.*dense1, readout"):
        tape.assign({"dens1": torch.ones(case.batch, 8, dtype=case.dtype)})


def test_credit_of_another_size_is_refused():
    """Would catch one example's credit broadcast over the batch."""
    case = dense_case(8)
    tape = record_forward(case.network(), case.data())
    with pytest.raises(ShapeError, match="dense1"):
        tape.assign({"dense1": torch.ones(1, 8, dtype=case.dtype)})


def test_credit_in_any_memory_layout_is_accepted():
    """Would catch credit that works or not by how it happens to lie in memory (transposed, channels last, strided)."""
    case = conv_case({"kind": "conv2d", "channels": 4, "kernel": 3})
    network = case.network()
    trace, error = trace_of(case, network)
    credit = case.random_array(*trace.outputs["conv1"].shape)
    flat = torch.from_numpy(credit.reshape(case.batch, -1))
    for layout in (
        torch.from_numpy(credit).to(memory_format=torch.channels_last),
        flat.t().contiguous().t(),
        flat.repeat_interleave(2, 1)[:, ::2],
    ):
        network.zero_grad(set_to_none=True)
        record_forward(network, case.data()).assign({"conv1": layout})
        expected = gradients_from_credit(trace, {"conv1": credit, "readout": error})
        assert_gradients(gradients_of(network), expected, case.dtype)


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (12, 2), (24,), (1, 24)])
def test_credit_in_another_layout_than_the_output_is_refused(shape):
    """Would catch credit with the right number of values in the wrong places, scrambled over units without a word."""
    case = dense_case(12, batch=2)
    tape = record_forward(case.network(), case.data())
    with pytest.raises(ShapeError, match="dense1"):
        tape.assign({"dense1": torch.ones(shape, dtype=tape.outputs["dense1"].dtype)})


# --- direct feedback alignment ----------------------------------------------------------------------------------------


def _dfa(network, seed=7, **config):
    return attached(DirectFeedbackAlignment(DirectFeedbackAlignment.Config(**config)), network, seed)


def _hold_shared_dfa(case):
    network = case.network()
    rule = _dfa(network)
    trace, error = trace_of(case, network)
    matrix = as_array(rule.feedback_weight)
    widths = {name: y[0].size for name, y in trace.outputs.items() if name != "readout"}
    assert matrix.shape == (case.classes, max(widths.values()))
    credit = {name: error @ matrix[:, :n] for name, n in widths.items()}
    found = gradients_under(rule, case, network)
    assert_gradients(found, gradients_from_credit(trace, {**credit, "readout": error}), case.dtype)


@deterministic
@given(case=dense_chains())
def test_dfa_uses_the_leading_columns_of_one_matrix_in_dense_chains(case):
    """Would catch trailing columns, a matrix a layer, or the derivative left out."""
    _hold_shared_dfa(case)


@deterministic
@given(case=conv_chains())
def test_dfa_places_its_credit_after_the_nonlinearity_and_before_the_pool(case):
    """Would catch a matrix as wide as the pooled layer, or a pooling factor 1/p² in every update."""
    _hold_shared_dfa(case)


@deterministic
@given(case=dense_chains())
def test_dfa_per_segment_gives_each_segment_columns_of_its_own(case):
    """Would catch segments that share columns though each was to have its own matrix."""
    network = case.network()
    rule = _dfa(network, matrix="per_segment")
    trace, error = trace_of(case, network)
    matrix = as_array(rule.feedback_weight)
    widths = {name: y[0].size for name, y in trace.outputs.items() if name != "readout"}
    assert matrix.shape == (case.classes, sum(widths.values()))
    credit, start = {}, 0
    for name, n in widths.items():
        credit[name] = error @ matrix[:, start : start + n]
        start += n
    found = gradients_under(rule, case, network)
    assert_gradients(found, gradients_from_credit(trace, {**credit, "readout": error}), case.dtype)


def _hold_one_hidden_identity(case):
    ours, theirs = case.network(), case.network()
    direct, alignment = _dfa(ours), attached(FeedbackAlignment(), theirs)
    matrix = torch.from_numpy(case.random_array(*direct.feedback_weight.shape)).to(case.dtype)
    direct.feedback_weight.copy_(matrix)
    alignment.feedback.by_segment["readout"].copy_(matrix)
    found, expected = gradients_under(direct, case, ours), gradients_under(alignment, case, theirs)
    for path, value in expected.items():
        assert_near(found[path], value, case.dtype, path)


@deterministic
@given(case=dense_chains(hidden=(1, 1)))
def test_dfa_with_one_hidden_layer_is_feedback_alignment(case):
    """Would catch two mechanisms that disagree about scale, orientation or the derivative."""
    _hold_one_hidden_identity(case)


@deterministic
@given(case=dense_chains(hidden=(1, 1), norms=True))
def test_dfa_with_one_hidden_layer_is_feedback_alignment_through_a_norm(case):
    """Would catch mechanisms that treat the norm differently."""
    _hold_one_hidden_identity(case)


@deterministic
@given(case=conv_chains(convs=(1, 1), denses=(0, 0), pools=False))
def test_dfa_with_one_hidden_conv_is_feedback_alignment(case):
    """Would catch a matrix column that belongs to another channel or position than the readout's."""
    _hold_one_hidden_identity(case)


def test_averaging_pool_sets_dfa_apart_from_feedback_alignment_by_its_area():
    """Would catch a 1/p² in DFA: FA's cotangent carries it, DFA's credit must not."""
    case = conv_case({"kind": "conv2d", "channels": 3, "kernel": 3}, {"kind": "average_pool", "size": 2})
    ours, theirs = case.network(), case.network()
    direct, alignment = _dfa(ours), attached(FeedbackAlignment(), theirs)
    pooled = case.random_array(case.classes, 3, 3, 3)
    spread = pooled.repeat(2, 2).repeat(2, 3)
    assert direct.feedback_weight.shape == (case.classes, 3 * 6 * 6)
    direct.feedback_weight.copy_(torch.from_numpy(spread.reshape(case.classes, -1)))
    alignment.feedback.by_segment["readout"].copy_(torch.from_numpy(pooled.reshape(case.classes, -1)))
    found, expected = gradients_under(direct, case, ours), gradients_under(alignment, case, theirs)
    assert_near(found["conv1.map.weight"], 4 * expected["conv1.map.weight"])


def test_dfa_teaches_hidden_segments_where_no_weight_leads_from_them_to_the_error():
    """Would catch weight transport in a rule that claims none: with a readout of zeros backprop teaches nothing."""
    case = dense_case(8, 7, activation="tanh")
    network = case.network()
    rule = _dfa(network)
    with torch.no_grad():
        network.maps["readout"].weight.zero_()
    trace, error = trace_of(case, network)
    assert not gradients_along_chain(trace, error)["dense1"].weight.any()
    found = gradients_under(rule, case, network)
    assert np.abs(found["dense1.map.weight"]).max() > 1e-3
    matrix = as_array(rule.feedback_weight)
    credit = {"dense1": error @ matrix[:, :8], "dense2": error @ matrix[:, :7], "readout": error}
    assert_gradients(found, gradients_from_credit(trace, credit), case.dtype)


WIDTHS = (300, 200, 120)


@pytest.fixture
def wide_network():
    return dense_case(*WIDTHS, inputs=5, classes=60).network()


@pytest.mark.parametrize(
    ("config", "least", "most", "sd"),
    [
        ({}, -1, 1, 3**-0.5),
        ({"range": 0.25}, -0.25, 0.25, 0.25 * 3**-0.5),
        ({"sign": "nonnegative"}, 0, 1, 12**-0.5),
        ({"sign": "nonnegative", "range": 2.0}, 0, 2, 2 * 12**-0.5),
        ({"distribution": "normal", "range": 0.5}, -np.inf, np.inf, 0.5),
        ({"distribution": "normal", "sign": "nonnegative"}, 0, np.inf, (1 - 2 / np.pi) ** 0.5),
    ],
)
def test_dfa_matrix_has_the_stated_distribution(wide_network, config, least, most, sd):
    """Would catch U[0,1) where U[-1,1) is asked for: both learn, at another rate."""
    matrix = as_array(_dfa(wide_network, **config).feedback_weight)
    assert matrix.shape == (60, 300)
    assert matrix.min() >= least
    assert matrix.max() <= most
    assert matrix.std() == pytest.approx(sd, rel=0.02)
    if least < 0:
        assert abs(matrix.mean()) < 0.03 * sd
    if np.isfinite(most):
        assert matrix.max() > 0.99 * most


@pytest.mark.parametrize("sign", ["mixed", "nonnegative"])
def test_shared_normalization_divides_by_the_widest_segment_for_all(wide_network, sign):
    """Would catch each segment divided by its own width: TinyDFA divides all by the same."""
    plain = as_array(_dfa(wide_network, sign=sign).feedback_weight)
    normalized = as_array(_dfa(wide_network, sign=sign, normalization=True).feedback_weight)
    assert_near(normalized, plain / np.sqrt(300))


def test_per_segment_normalization_divides_by_each_segments_own_width(wide_network):
    """Would catch one divisor for matrices of different widths."""
    plain = as_array(_dfa(wide_network, matrix="per_segment").feedback_weight)
    normalized = as_array(_dfa(wide_network, matrix="per_segment", normalization=True).feedback_weight)
    divisor = np.repeat(np.sqrt(WIDTHS), WIDTHS)
    assert_near(normalized, plain / divisor)


def test_dfa_draws_its_matrix_once_and_never_moves_it():
    """Would catch a matrix that is redrawn every batch or trained along."""
    case = dense_case(8, 6)
    network = case.network()
    rule = _dfa(network)
    before = rule.feedback_weight.clone()
    for _ in range(3):
        gradients_under(rule, case, network)
        descend(network, 0.5)
        rule.after_update()
    assert torch.equal(rule.feedback_weight, before)
    assert "feedback_weight" in rule.state_dict()


@pytest.mark.parametrize("matrix", ["shared", "per_segment"])
def test_dfa_matrix_depends_on_its_own_seed_alone(matrix):
    """Would catch a matrix from the global stream, which a dropout or a shuffle before it would shift."""
    case = dense_case(8, 6)
    draws = []
    for seed in (3, 3, 4):
        torch.rand(5)
        draws.append(_dfa(case.network(), seed, matrix=matrix).feedback_weight)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_dfa_needs_a_hidden_segment():
    """Would catch a run labelled DFA in which nothing is DFA."""
    with pytest.raises(IncompatibleError, match="at least 1 hidden"):
        _dfa(dense_case().network())


@deterministic
@given(case=dense_chains(), distribution=st.sampled_from(["uniform", "normal"]), normalization=st.booleans())
def test_dfa_credit_is_linear_in_its_matrix(case, distribution, normalization):
    """Would catch an option that acts at the step as well as at the draw: a matrix doubled must double the update."""
    network = case.network()
    rule = _dfa(network, distribution=distribution, normalization=normalization)
    once = gradients_under(rule, case, network)
    rule.feedback_weight.mul_(2)
    twice = gradients_under(rule, case, network)
    for path, value in once.items():
        assert_near(twice[path], value if path.startswith("readout") else 2 * value, case.dtype, path)


def test_tape_error_is_the_output_error_over_the_batch():
    """Would catch an error divided by the batch twice or not at all, which a learning rate would hide."""
    case = dense_case(8, batch=9)
    network = case.network()
    tape = record_forward(network, case.data())
    trace, _ = trace_of(case, network)
    loss, error = cross_entropy(trace.logits, case.data().targets.numpy())
    assert_near(tape.error, error)
    assert_near(tape.loss, np.array(loss))


def test_exact_credit_on_the_tape_is_backprop():
    """Would catch a tape that loses something backprop has: the true cotangents must give the true gradients."""
    case = conv_case(
        {"kind": "conv2d", "channels": 4, "kernel": 3, "norm": "batch", "norm_order": "activation_first"},
        {"kind": "max_pool", "size": 2},
        {"kind": "conv2d", "channels": 4, "kernel": 2, "activation": "tanh"},
        {"kind": "dense", "units": 5},
    )
    network = case.network()
    batch = case.data()
    with network.observed() as outputs:
        loss = batch.criterion(network(batch.inputs), batch.targets)
    names = [name for name in outputs if name != "readout"]
    cotangents = torch.autograd.grad(loss, [outputs[name] for name in names])
    network.zero_grad(set_to_none=True)
    record_forward(network, batch).assign(dict(zip(names, cotangents, strict=True)))
    trace, error = trace_of(case, network)
    assert_gradients(gradients_of(network), gradients_along_chain(trace, error), case.dtype)
