"""Check the data set and the spec files. The oracles are what a class means, and benchsuite's own checks."""

from pathlib import Path

import benchsuite_sparse_dfa
import pytest
import torch
from benchsuite_sparse_dfa import read_gratings

import benchsuite as bs
from benchsuite.plugin import DataError

SPECS = Path(benchsuite_sparse_dfa.__file__).parent / "specs"


def test_orientation_is_the_class():
    """Catches labels in another order than the images. Without noise, a grating of class 0 does not change along y."""
    data = read_gratings({"noise": 0.0, "train_examples": 8, "test_examples": 4}, Path())
    upright = data.train_inputs[data.train_targets == 0].int()
    lying = data.train_inputs[data.train_targets == 2].int()
    assert upright.diff(dim=2).abs().max() == 0
    assert upright.diff(dim=3).abs().max() > 0
    assert lying.diff(dim=3).abs().max() <= 1  # cos(90 degrees) is 0 but for rounding
    assert lying.diff(dim=2).abs().max() > 0


def test_no_pixel_says_anything_by_itself():
    """Catches a phase that is not random: a linear readout would then do."""
    data = read_gratings({"train_examples": 8000}, Path())
    means = torch.stack([data.train_inputs[data.train_targets == c].float().mean(dim=0) for c in range(data.classes)])
    assert (means - 128).abs().max() < 8  # a standard error is 1.4 grey levels


def test_examples_depend_on_the_seed_alone():
    first, again, other = (read_gratings({"seed": seed}, Path()) for seed in (0, 0, 1))
    assert torch.equal(first.test_inputs, again.test_inputs)
    assert not torch.equal(first.test_inputs, other.test_inputs)


def test_unknown_options_are_refused_with_those_there_are():
    with pytest.raises(DataError, match="no option 'sead'; there are noise"):
        read_gratings({"sead": 1}, Path())


def test_spec_files_are_valid():
    files = sorted(SPECS.rglob("*.yaml"))
    assert len(files) == 4
    assert {file: problems for file, problems in bs.validate(files).items() if problems} == {}


def test_training_examples_are_the_same_without_the_test_set():
    """Catches a reader that `benchsuite tune` cannot use, or that gives it other examples than a run."""
    whole, alone = read_gratings({}, Path()), read_gratings({}, Path(), test=False)
    assert torch.equal(whole.train_inputs, alone.train_inputs)
    assert len(alone.test_targets) == 0
