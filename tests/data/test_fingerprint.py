"""Checked against the format that the docstring gives, written down a second time with struct."""

import hashlib
import json
import struct
from dataclasses import replace

import pytest
import torch

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.tensors import DecodedDataset

DATASET = DecodedDataset(
    train_inputs=torch.tensor([[[0.5, -1.0]], [[2.0, 3.0]]]),
    train_targets=torch.tensor([1, 0]),
    test_inputs=torch.tensor([[[0.25, 8.0]]]),
    test_targets=torch.tensor([1]),
    classes=2,
)


def test_it_is_the_documented_digest_of_little_endian_values():
    digest = hashlib.sha256(b"benchsuite data 1\n")
    for name, code, dtype in (
        ("train_inputs", "f", "float32"),
        ("train_targets", "q", "int64"),
        ("test_inputs", "f", "float32"),
        ("test_targets", "q", "int64"),
    ):
        tensor = getattr(DATASET, name)
        digest.update(json.dumps({"dtype": dtype, "name": name, "shape": list(tensor.shape)}).encode() + b"\n")
        values = tensor.flatten().tolist()
        digest.update(struct.pack(f"<{len(values)}{code}", *values))
    assert fingerprint(DATASET) == digest.hexdigest()


@pytest.mark.parametrize("name", ["train_inputs", "train_targets", "test_inputs", "test_targets"])
def test_any_single_value_changes_it(name):
    changed = getattr(DATASET, name).clone()
    changed.view(-1)[-1] = 0.75 if changed.is_floating_point() else 1 - changed.view(-1)[-1]
    assert fingerprint(replace(DATASET, **{name: changed})) != fingerprint(DATASET)


def test_the_shape_is_part_of_it():
    flat = replace(DATASET, train_inputs=DATASET.train_inputs.flatten(1), test_inputs=DATASET.test_inputs.flatten(1))
    assert fingerprint(flat) != fingerprint(DATASET)


def test_the_type_is_part_of_it():
    zeros = {"train_inputs": torch.zeros(2, 4, dtype=torch.uint8)}
    assert fingerprint(replace(DATASET, **zeros)) != fingerprint(
        replace(DATASET, train_inputs=torch.zeros(2, 1, dtype=torch.float32))
    )


def test_strides_and_checksums_are_not_part_of_it():
    strided = DATASET.train_inputs.transpose(0, 2).contiguous().transpose(0, 2)
    assert not strided.is_contiguous()
    assert fingerprint(replace(DATASET, train_inputs=strided, canonical=True)) == fingerprint(DATASET)


def test_train_and_test_exchanged_is_another_data_set():
    same = {"train_inputs": DATASET.test_inputs, "train_targets": DATASET.test_targets}
    other = {"test_inputs": DATASET.train_inputs, "test_targets": DATASET.train_targets}
    assert fingerprint(replace(DATASET, **same, **other)) != fingerprint(DATASET)
