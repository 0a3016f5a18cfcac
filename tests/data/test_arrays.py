"""Checked against NumPy: what was saved is what is loaded; and against files that wish us ill."""

import io
import pickle
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ArraysDataset


def spec(path="data.npz", **fields):
    return ArraysDataset(kind="arrays", name="mine", path=str(path), **fields)


def good_arrays(**changed):
    arrays = {
        "x_train": np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.zeros((3, 4, 4), dtype=np.uint8),
        "y_test": np.array([2, 1, 0]),
    }
    return arrays | changed


def save(folder, arrays, how="npz"):
    if how == "folder":
        for name, values in arrays.items():
            np.save(folder / f"{name}.npy", values)
        return folder
    path = folder / "data.npz"
    (np.savez_compressed if how == "compressed" else np.savez)(path, **arrays)
    return path


def refusal(folder, arrays, **fields):
    with pytest.raises(DataError) as caught:
        load_dataset(spec(save(folder, arrays), **fields), folder)
    message = str(caught.value)
    assert "\n" not in message
    assert "data set 'mine'" in message
    return message


DTYPES = st.sampled_from(["u1", "<f2", "<f4", ">f4", "<f8", ">f8"])
SHAPES = st.sampled_from([(3,), (2, 3), (1, 2, 3), (3, 2, 2)])
LABEL_DTYPES = st.sampled_from(["i1", "u1", "<i2", ">i4", "<i8", ">u8"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_saved_arrays_come_back_as_they_were(data):
    """Catches: byte order taken as is, Fortran order taken as C order, labels cast too narrow."""
    dtype, shape = np.dtype(data.draw(DTYPES)), data.draw(SHAPES)
    finite = {} if dtype.kind == "u" else {"elements": {"allow_nan": False, "allow_infinity": False, "width": 16}}
    if dtype.kind == "f":
        finite = {"elements": st.floats(-60000, 60000, width=16)}
    draw = lambda n: data.draw(hnp.arrays(dtype, (n, *shape), **finite))  # noqa: E731
    labels = np.dtype(data.draw(LABEL_DTYPES))
    arrays = {
        "x_train": np.asfortranarray(draw(4)) if data.draw(st.booleans()) else draw(4),
        "y_train": np.array([0, 1, 2, 1], dtype=labels),
        "x_test": draw(2),
        "y_test": np.array([2, 0], dtype=labels),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder), arrays, data.draw(st.sampled_from(["npz", "compressed", "folder"])))
        dataset = load_dataset(spec(path), Path(folder))
    expected_shape = (1, *shape) if len(shape) == 2 else shape
    expected_dtype = torch.uint8 if dtype.kind == "u" else torch.float32
    for split, count in (("train", 4), ("test", 2)):
        inputs, targets = getattr(dataset, f"{split}_inputs"), getattr(dataset, f"{split}_targets")
        assert inputs.dtype == expected_dtype
        assert inputs.shape == (count, *expected_shape)
        assert inputs.is_contiguous()
        assert inputs.flatten().tolist() == arrays[f"x_{split}"].flatten().tolist()
        assert targets.dtype == torch.int64
        assert targets.tolist() == arrays[f"y_{split}"].tolist()
    assert dataset.classes == 3
    assert dataset.canonical is None


def test_a_relative_path_starts_at_the_data_root(tmp_path):
    save(tmp_path, good_arrays())
    assert load_dataset(spec("data.npz"), tmp_path).input_shape == (1, 4, 4)


def test_given_classes_may_exceed_the_largest_label(tmp_path):
    assert load_dataset(spec(save(tmp_path, good_arrays()), classes=7), tmp_path).classes == 7


def test_a_missing_path_says_what_to_put_where(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.npz: no such file.*--data-root or BENCHSUITE_DATA"):
        load_dataset(spec("nowhere.npz"), tmp_path)


def test_missing_arrays_are_all_named(tmp_path):
    arrays = good_arrays()
    del arrays["y_train"], arrays["x_test"]
    assert "y_train, x_test missing" in refusal(tmp_path, arrays)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x_train\.npy, y_train\.npy, x_test\.npy, y_test\.npy missing"):
        load_dataset(spec(tmp_path), tmp_path)


class Bomb:
    """Unpickling it would leave a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("how", ["npz", "folder"])
def test_pickled_arrays_are_refused_and_never_executed(tmp_path, how):
    trace = tmp_path / "executed"
    arrays = good_arrays(x_train=np.array([Bomb(trace)] * 6, dtype=object))
    with pytest.raises(DataError, match="pickled Python objects"):
        load_dataset(spec(save(tmp_path, arrays, how)), tmp_path)
    assert not trace.exists()


def test_a_bare_pickle_named_npy_is_refused_and_never_executed(tmp_path):
    trace = tmp_path / "executed"
    save(tmp_path, good_arrays(), "folder")
    (tmp_path / "y_test.npy").write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(DataError, match=r"y_test\.npy: cannot be read"):
        load_dataset(spec(tmp_path), tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("where", ["header", "values"])
def test_a_truncated_npy_is_refused(tmp_path, where):
    save(tmp_path, good_arrays(), "folder")
    path = tmp_path / "x_train.npy"
    content = path.read_bytes()
    path.write_bytes(content[: 20 if where == "header" else -10])
    with pytest.raises(DataError, match=r"x_train\.npy: cannot be read"):
        load_dataset(spec(tmp_path), tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 and nothing more"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz: cannot be read"):
        load_dataset(spec(), tmp_path)


def test_a_damaged_npz_is_refused(tmp_path):
    path = save(tmp_path, good_arrays(x_train=np.random.default_rng(0).integers(0, 256, (6, 64, 64), dtype=np.uint8)))
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(spec(), tmp_path)


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path):
    """A few kilobytes whose header announces a petabyte."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 1, 32, 32)})
    path = save(tmp_path, {k: v for k, v in good_arrays().items() if k != "x_train"})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", head.getvalue() + bytes(1 << 20))
    with pytest.raises(DataError, match="GiB of memory"):
        load_dataset(spec(), tmp_path)


def test_a_header_that_announces_more_than_the_file_holds_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (6, 1, 400, 400)})
    save(tmp_path, good_arrays(), "folder")
    (tmp_path / "x_train.npy").write_bytes(head.getvalue() + bytes(100))
    with pytest.raises(DataError, match=r"x_train\.npy: cannot be read"):
        load_dataset(spec(tmp_path), tmp_path)


@pytest.mark.parametrize("dtype", ["i4", "?", "c8", "U3", "M8[s]"])
def test_inputs_of_a_wrong_type_are_refused(tmp_path, dtype):
    message = refusal(tmp_path, good_arrays(x_train=np.zeros((6, 4, 4), dtype=dtype)))
    assert "x_train" in message
    assert "expected uint8" in message


def test_labels_that_are_floats_are_refused(tmp_path):
    assert "y_train: is float64, expected integers" in refusal(tmp_path, good_arrays(y_train=np.zeros(6)))


def test_one_hot_labels_are_refused_with_the_remedy(tmp_path):
    assert ".argmax(1)" in refusal(tmp_path, good_arrays(y_train=np.eye(6, dtype=np.int64)))


@pytest.mark.parametrize(("labels", "fields"), [([0, 1, 2, 0, 1, -1], {}), ([0, 1, 2, 0, 1, 3], {"classes": 3})])
def test_labels_out_of_range_are_refused_and_the_example_is_named(tmp_path, labels, fields):
    message = refusal(tmp_path, good_arrays(y_train=np.array(labels)), **fields)
    assert f"example 5 has label {labels[5]}, expected 0 to 2" in message


def test_a_label_beyond_64_bits_does_not_wrap_around(tmp_path):
    labels = np.array([0, 1, 2, 0, 1, 2**64 - 1], dtype=np.uint64)
    assert "has label 18446744073709551615" in refusal(tmp_path, good_arrays(y_train=labels), classes=3)


def test_labels_of_one_class_only_are_refused(tmp_path):
    zeros = {"y_train": np.zeros(6, dtype=np.int64), "y_test": np.zeros(3, dtype=np.int64)}
    assert "the largest label is 0" in refusal(tmp_path, good_arrays(**zeros))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["train", "test"])
def test_nan_and_infinity_are_refused_and_the_example_is_named(tmp_path, value, name):
    floats = {f"x_{n}": a.astype(np.float32) for n, a in (("train", good_arrays()["x_train"]),)}
    floats["x_test"] = np.zeros((3, 4, 4), dtype=np.float32)
    floats[f"x_{name}"][2, 3, 1] = value
    assert f"{name} example 2 holds NaN or infinity" in refusal(tmp_path, good_arrays(**floats))


def test_a_double_too_large_for_float32_is_refused(tmp_path):
    arrays = good_arrays(x_train=np.full((6, 4, 4), 1e300), x_test=np.zeros((3, 4, 4)))
    assert "holds NaN or infinity" in refusal(tmp_path, arrays)


def test_channels_last_is_refused_with_the_remedy(tmp_path):
    images = np.zeros((6, 32, 32, 3), dtype=np.uint8)
    assert ".transpose(0, 3, 1, 2)" in refusal(tmp_path, good_arrays(x_train=images))


@pytest.mark.parametrize("shape", [(6,), (6, 1, 1, 4, 4), (0, 4, 4), (6, 0, 4)])
def test_inputs_of_a_wrong_shape_are_refused(tmp_path, shape):
    assert str(shape) in refusal(tmp_path, good_arrays(x_train=np.zeros(shape, dtype=np.uint8)))


def test_numbers_of_inputs_and_labels_must_agree(tmp_path):
    message = refusal(tmp_path, good_arrays(y_train=np.array([0, 1, 2])))
    assert "6 inputs but 3 targets" in message


def test_train_and_test_must_agree_in_shape(tmp_path):
    message = refusal(tmp_path, good_arrays(x_test=np.zeros((3, 5, 4), dtype=np.uint8)))
    assert "(1, 4, 4)" in message
    assert "(1, 5, 4)" in message


def test_train_and_test_must_agree_in_type(tmp_path):
    """uint8 is divided by 255 and floats are not: a mixture would be tested at another scale than it learned."""
    assert "torch.float32" in refusal(tmp_path, good_arrays(x_test=np.zeros((3, 4, 4), dtype=np.float32)))
