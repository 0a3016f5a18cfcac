"""Checked against what the harness relies on: limits, and nothing invalid let through whoever read it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchsuite.data.arrays import reader as arrays_reader
from benchsuite.data.bit_stream import make_bits
from benchsuite.data.cifar import reader as cifar_reader
from benchsuite.data.cifar.reader import read_cifar
from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.data.mnist import reader as mnist_reader
from benchsuite.data.mnist.reader import read_mnist
from benchsuite.data.synthetic import reader as synthetic_reader
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ArraysDataset, CifarDataset, DigitsDataset, PluginDataset, SyntheticDataset


def decoded(**changed):
    dataset = DecodedDataset(
        train_inputs=torch.arange(8 * 4, dtype=torch.uint8).view(8, 1, 2, 2),
        train_targets=torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
        test_inputs=torch.zeros(3, 1, 2, 2, dtype=torch.uint8),
        test_targets=torch.tensor([0, 1, 2]),
        classes=3,
    )
    return replace(dataset, **changed)


def load(reader, reader_name="mine", **fields):
    spec = PluginDataset(kind="plugin", name="theirs", reader=reader_name, **fields)
    return load_dataset(spec, Path("/root"), {"mine": reader, "other": reader})


def refusal(reader, **fields):
    with pytest.raises(DataError) as caught:
        load(reader, **fields)
    assert "\n" not in str(caught.value)
    assert "data set 'theirs'" in str(caught.value)
    return str(caught.value)


def test_limits_keep_the_first_examples():
    dataset = load(lambda *_: decoded(), train_limit=5, test_limit=2)
    assert torch.equal(dataset.train_inputs, decoded().train_inputs[:5])
    assert dataset.train_targets.tolist() == [0, 1, 2, 0, 1]
    assert dataset.test_targets.tolist() == [0, 1]
    assert dataset.classes == 3


def test_a_limited_data_set_does_not_hold_the_rest_in_memory():
    dataset = load(lambda *_: decoded(), train_limit=2)
    assert dataset.train_inputs.untyped_storage().nbytes() == 2 * 4


def test_held_out_examples_follow_those_that_are_learned():
    """Catches errors measured on learned examples, and held-out ones that hold the whole data set in memory."""
    dataset = load(lambda *_: decoded(), train_limit=5, validation_examples=2)
    assert dataset.train_targets.tolist() == decoded().train_targets[:5].tolist()
    assert torch.equal(dataset.validation_inputs, decoded().train_inputs[5:7])
    assert dataset.validation_targets.tolist() == decoded().train_targets[5:7].tolist()
    assert dataset.validation_inputs.untyped_storage().nbytes() == 2 * 4
    assert load(lambda *_: decoded(), train_limit=5).validation_inputs is None


def test_more_held_out_examples_than_are_left_are_refused():
    message = refusal(lambda *_: decoded(), train_limit=5, validation_examples=4)
    assert "4 validation_examples after the first 5 training examples, but there are 8 in all" in message


def test_drawn_validation_examples_are_stratified_and_the_same_at_every_limit():
    """Catches examples that are both learned and validated on, and a validation set that changes with the tier."""
    split = {"examples": 300, "seed": 3, "final_runs_learn": "rest"}
    whole, limited = (
        load_dataset(DigitsDataset(kind="digits", name="digits", validation=split, train_limit=limit), Path())
        for limit in (None, 100)
    )
    everything = load_dataset(DigitsDataset(kind="digits", name="digits"), Path())
    rows = torch.cat([whole.train_inputs, whole.validation_inputs]).flatten(1)
    assert sorted(rows.tolist()) == sorted(everything.train_inputs.flatten(1).tolist())
    assert torch.equal(whole.validation_inputs, limited.validation_inputs)
    assert torch.equal(whole.train_inputs[:100], limited.train_inputs)
    shares = whole.validation_targets.bincount() / 300 - everything.train_targets.bincount() / 1437
    assert shares.abs().max() < 1 / 300
    other = DigitsDataset(kind="digits", name="digits", validation=split | {"seed": 4})
    assert not torch.equal(load_dataset(other, Path()).validation_inputs, whole.validation_inputs)


def test_a_fingerprint_covers_the_drawn_validation_examples():
    """Catches tuning records that are taken for those of other validation data."""
    drawn = load(lambda *_: decoded(), validation={"examples": 2, "final_runs_learn": "rest"})
    changed = replace(drawn, validation_inputs=drawn.validation_inputs + 1)
    prints = {fingerprint(dataset, drawn_validation=True) for dataset in (drawn, changed)}
    assert len(prints) == 2
    assert fingerprint(drawn) == fingerprint(changed)


def test_no_validation_examples_are_held_out_of_final_runs_that_learn_all():
    dataset = load(lambda *_: decoded(), validation={"examples": 2})
    assert len(dataset.train_targets) == 8
    assert dataset.validation_inputs is None


def test_validation_examples_that_leave_nothing_to_learn_are_refused():
    split = {"examples": 8, "final_runs_learn": "rest"}
    assert "leave none to learn" in refusal(lambda *_: decoded(), validation=split)


TUNING = {"validation": {"examples": 2}, "withhold_test": True}


def test_a_withheld_test_set_is_never_read():
    """Catches tuning that has the test set in its process: this reader would raise."""

    def reader(options, data_root, *, test=True):
        if test:
            raise AssertionError("read the test set")
        return DecodedDataset.without_test(decoded().train_inputs, decoded().train_targets, 3)

    dataset = load(reader, **TUNING)
    assert (len(dataset.train_targets), len(dataset.validation_targets), len(dataset.test_targets)) == (6, 2, 0)
    with pytest.raises(DataError, match="read the test set"):
        load(reader)


def test_readers_that_cannot_leave_out_the_test_set_are_refused():
    """Catches test examples that a plugin's reader decodes anyway."""
    assert "must not see" in refusal(lambda *_: decoded(), **TUNING)
    assert "although they are withheld" in refusal(lambda *_, test: decoded(), **TUNING)


def test_no_built_in_reader_touches_a_withheld_test_set(tmp_path, monkeypatch):
    """Catches a reader of ours that decodes test files although they are withheld."""
    images = {split: np.zeros((20, 4, 4), np.uint8) for split in ("train", "test")}
    for split, values in images.items():
        np.save(tmp_path / f"x_{split}.npy", values)
        np.save(tmp_path / f"y_{split}.npy", np.arange(20) % 2)
    read, opened = arrays_reader._read_values, []
    monkeypatch.setattr(arrays_reader, "_read_values", lambda source, name: opened.append(name) or read(source, name))
    monkeypatch.setattr(synthetic_reader, "make_bits", lambda *key: opened.append(f"bits {key}") or make_bits(*key))
    arrays = ArraysDataset(kind="arrays", name="a", path=str(tmp_path), **TUNING)
    synthetic = SyntheticDataset(kind="synthetic", name="s", train_examples=20, **TUNING)
    digits = DigitsDataset(kind="digits", name="d", **TUNING)
    for spec in (arrays, synthetic, digits):
        dataset = load_dataset(spec, tmp_path)
        assert (len(dataset.test_inputs), len(dataset.test_targets)) == (0, 0)
        assert len(dataset.validation_targets) == 2
    assert opened[:2] == ["x_train", "y_train"]
    assert not any(name.startswith("bits (0, 2") for name in opened)


def test_published_test_files_stay_unread_where_they_are_withheld(tmp_path, monkeypatch):
    """Catches MNIST's or CIFAR's test files decoded in tuning."""
    opened = []
    monkeypatch.setattr(mnist_reader, "fetch_missing", lambda *_, **__: None)
    monkeypatch.setattr(mnist_reader, "_read", lambda _, file: opened.append(file.name) or torch.zeros(4, 2, 2).byte())
    monkeypatch.setattr(cifar_reader, "fetch_missing", lambda *_, **__: None)
    pixels = np.zeros((4, 3072), np.uint8)
    monkeypatch.setattr(cifar_reader, "_read", lambda _, name, __: opened.append(name) or (pixels, [0, 1, 2, 3]))
    read_mnist(tmp_path, test=False)
    read_cifar(CifarDataset(kind="cifar10", name="c"), tmp_path, test=False)
    assert opened
    assert not [name for name in opened if "test" in name or "t10k" in name]


def test_a_limit_beyond_the_data_takes_all_of_them():
    assert len(load(lambda *_: decoded(), train_limit=1000).train_targets) == 8


def test_limits_hold_for_built_in_data_too():
    spec = DigitsDataset(kind="digits", name="digits", train_limit=100, test_limit=50)
    dataset = load_dataset(spec, Path())
    assert len(dataset.train_inputs) == len(dataset.train_targets) == 100
    assert len(dataset.test_inputs) == len(dataset.test_targets) == 50
    assert dataset.train_targets.unique().numel() == 10


def test_tensors_are_contiguous_whatever_the_reader_returned():
    strided = decoded().train_inputs.transpose(2, 3)
    dataset = load(lambda *_: decoded(train_inputs=strided))
    assert dataset.train_inputs.is_contiguous()
    assert torch.equal(dataset.train_inputs, strided)


def test_a_reader_gets_its_options_and_the_data_root():
    seen = []

    def reader(options, data_root):
        seen.append((dict(options), data_root))
        options["size"] = "changed"
        return decoded()

    spec_options = {"size": 3}
    load(reader, options=spec_options)
    assert seen == [({"size": 3}, Path("/root"))]
    assert spec_options == {"size": 3}


def test_an_exception_of_a_reader_names_the_reader_and_the_exception():
    def reader(options, data_root):
        return options["absent\nkey"]

    message = refusal(reader)
    assert "reader 'mine' of a plugin failed: KeyError" in message


def test_a_readers_own_data_error_is_passed_on_as_it_is():
    def reader(options, data_root):
        raise DataError("put cats.zip into the root")

    assert refusal(reader).endswith("put cats.zip into the root")


def test_a_reader_that_returns_something_else_is_refused():
    assert "returned dict, expected DecodedDataset" in refusal(lambda *_: {})


def test_an_unknown_reader_is_answered_with_the_nearest():
    message = refusal(lambda *_: decoded(), reader_name="mime")
    assert "no reader 'mime'; did you mean 'mine'? (installed plugins bring: mine, other)" in message


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"train_inputs": torch.zeros(8, 1, 2, 2, dtype=torch.float64)}, "torch.float64, expected torch.uint8"),
        ({"train_inputs": [1, 2]}, "expected torch tensors"),
        ({"test_targets": torch.tensor([0, 1, 2], dtype=torch.int32)}, "torch.int32, expected torch.int64"),
        ({"test_targets": torch.tensor([0, 1, 3])}, "example 2 has label 3, expected 0 to 2"),
        ({"test_targets": torch.tensor([0, -1, 1])}, "example 1 has label -1"),
        ({"test_targets": torch.tensor([0, 1])}, "3 inputs but 2 targets"),
        ({"test_inputs": torch.zeros(3, 1, 2, 3, dtype=torch.uint8)}, "test examples (1, 2, 3)"),
        ({"test_inputs": torch.zeros(3, 1, 2, 2)}, "test inputs torch.float32"),
        ({"test_inputs": torch.zeros(3, 1, 2, 2).fill_(torch.nan)}, "NaN"),
        (
            {
                "train_inputs": torch.zeros(0, 1, 2, 2, dtype=torch.uint8),
                "train_targets": torch.zeros(0, dtype=torch.int64),
            },
            "empty",
        ),
        ({"classes": 1}, "found 1 classes"),
        ({"classes": None}, "found None classes"),
    ],
)
def test_what_the_harness_cannot_use_is_refused(changed, expected):
    assert expected in refusal(lambda *_: decoded(**changed))


def test_running_out_of_memory_while_reading_is_a_message():
    def reader(options, data_root):
        raise MemoryError

    assert "failed: MemoryError" in refusal(reader)
