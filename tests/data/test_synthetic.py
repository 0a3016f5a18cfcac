"""Checked against what synthetic data are for: learnable, balanced, and the same everywhere."""

from pathlib import Path

import pytest
import torch

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import SyntheticDataset


def load(**fields):
    return load_dataset(SyntheticDataset(kind="synthetic", name="synthetic", **fields), Path())


def test_shapes_and_types_are_those_asked_for():
    dataset = load(train_examples=7, test_examples=3, channels=3, height=4, width=5, classes=2)
    assert dataset.train_inputs.shape == (7, 3, 4, 5)
    assert dataset.test_inputs.shape == (3, 3, 4, 5)
    assert dataset.train_inputs.dtype == torch.uint8
    assert dataset.classes == 2


def test_a_linear_classifier_learns_it_and_generalises():
    """Catches: labels shifted against images, another map for the test set, noise that drowns the signal."""
    dataset = load(train_examples=8000, test_examples=1000)
    x, x_test = (t.flatten(1).double() - 127.5 for t in (dataset.train_inputs, dataset.test_inputs))
    one_hot = torch.nn.functional.one_hot(dataset.train_targets, 10).double() - 0.1
    weight = torch.linalg.lstsq(x, one_hot).solution
    correct = (x_test @ weight).argmax(1) == dataset.test_targets
    assert 0.75 < correct.double().mean() < 0.99


@pytest.mark.parametrize("classes", [2, 10])
def test_classes_are_roughly_balanced(classes):
    counts = load(train_examples=20000, height=16, width=16, classes=classes).train_targets.bincount(minlength=classes)
    assert counts.min() > 0.5 * 20000 / classes
    assert counts.max() < 1.5 * 20000 / classes


def test_train_and_test_are_different_examples():
    dataset = load(train_examples=64, test_examples=64)
    assert not torch.equal(dataset.train_inputs, dataset.test_inputs)


def test_another_seed_is_another_data_set():
    assert fingerprint(load()) != fingerprint(load(data_seed=1))


def test_more_examples_begin_with_the_same_ones():
    few, many = load(train_examples=10), load(train_examples=1000)
    assert torch.equal(few.train_inputs, many.train_inputs[:10])
    assert torch.equal(few.train_targets, many.train_targets[:10])


def test_it_is_the_same_on_every_machine_and_with_every_version():
    """Pinned on purpose: if it changes, no earlier speed or test run can be compared with a new one."""
    assert fingerprint(load()) == "0c0bc04cd57efe3b23a68652fc1de8a5aae83886e37f3485ecb9160c72435cfd"


def test_more_than_fits_in_memory_is_refused_at_once():
    with pytest.raises(DataError, match="GiB of memory"):
        load(train_examples=10**9, height=1000, width=1000)
