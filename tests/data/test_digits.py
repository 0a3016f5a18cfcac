"""Checked against scikit-learn's own function, and against the definition of a stratified split."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from benchsuite.data.digits.reader import read_digits
from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.data.stratified import choose_stratified
from benchsuite.specs.models.dataset import DigitsDataset


def spec(**fields):
    return DigitsDataset(kind="digits", name="digits", **fields)


def rows(inputs, targets):
    return sorted(zip((tuple(i) for i in inputs.flatten(1).tolist()), targets.tolist(), strict=True))


def test_train_and_test_together_are_scikit_learns_digits():
    """Catches: an example lost, doubled or given another's label by the split."""
    dataset = read_digits(spec())
    ours = rows(dataset.train_inputs, dataset.train_targets) + rows(dataset.test_inputs, dataset.test_targets)
    values, labels = load_digits(return_X_y=True)
    scaled = torch.from_numpy(np.floor(values * 255 / 16 + 0.5))
    assert sorted(ours) == rows(scaled.int(), torch.from_numpy(labels))


def test_the_darkest_and_brightest_values_are_0_and_255():
    inputs = read_digits(spec()).train_inputs
    assert (int(inputs.min()), int(inputs.max())) == (0, 255)
    assert inputs.unique().numel() == 17
    assert inputs.shape[1:] == (1, 8, 8)


def test_examples_keep_their_order():
    labels = torch.from_numpy(load_digits().target)
    held_out = torch.from_numpy(choose_stratified(labels.numpy(), 360, 0))
    assert torch.equal(read_digits(spec()).train_targets, labels[~held_out])


@given(st.integers(1, 1796), st.integers(-(2**63), 2**64))
def test_the_split_is_stratified_to_within_one_example_a_class(count, seed):
    labels = np.repeat(np.arange(10), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]).astype(np.int64)
    chosen = choose_stratified(labels, count, seed)
    assert chosen.sum() == count
    shares = np.bincount(labels) * count / len(labels)
    assert np.abs(np.bincount(labels[chosen], minlength=10) - shares).max() < 1


def test_another_seed_holds_out_other_examples():
    first, second = read_digits(spec()), read_digits(spec(split_seed=1))
    assert not torch.equal(first.test_inputs, second.test_inputs)


def test_the_split_is_the_same_on_every_machine_and_with_every_version():
    """Pinned on purpose: if it changes, no earlier result on digits can be compared with a new one."""
    expected = "7ce6ad3b6b1a1c5ec5bb8dccd08d164fb02b9e623b37daa0b536d24f40aea0d0"
    assert fingerprint(load_dataset(spec(), Path())) == expected


def test_scikit_learns_function_is_asked_where_its_file_has_moved(monkeypatch):
    expected = read_digits(spec())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert fingerprint(read_digits(spec())) == fingerprint(expected)
