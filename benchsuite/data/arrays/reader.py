"""Read a user's arrays from one ``.npz`` or four ``.npy`` files; code in the files is never executed."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchsuite.data.checks import check_labels, one_line, require_memory
from benchsuite.data.prepared.files import PREPARED
from benchsuite.data.roots import ANOTHER_ROOT, resolve_in_root
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ArraysDataset

NAMES = ("x_train", "y_train", "x_test", "y_test")

# Raised by NumPy and zipfile for files that are damaged, truncated, encrypted or compressed in an unknown way.
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, MemoryError, SyntaxError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class _Header:
    """Shape and dtype in the header of an array's file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class _Source:
    """The four arrays by name, in a ``.npz`` or a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            present = {name: path / f"{name}.npy" for name in NAMES}
            self.missing = [f"{name}.npy" for name, file in present.items() if not file.is_file()]
        else:
            with _damage_as_data_error(path), zipfile.ZipFile(path) as archive:
                members = set(archive.namelist())
            self.missing = [name for name in NAMES if f"{name}.npy" not in members]

    def location(self, name: str) -> str:
        return str(self.path / f"{name}.npy") if self.path.is_dir() else f"{self.path}: {name}"

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with _damage_as_data_error(self.location(name)):
            if self.path.is_dir():
                with (self.path / f"{name}.npy").open("rb") as stream:
                    yield stream
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as stream:
                    yield stream


@contextmanager
def _damage_as_data_error(location: object) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DataError(f"{location}: cannot be read ({one_line(error)}); save it again with numpy.savez") from error


def read_arrays(spec: ArraysDataset, data_root: Path, *, test: bool = True) -> DecodedDataset:
    """Read x_train, y_train, x_test and y_test.

    Inputs are (examples, channels, height, width), (examples, height, width), which gets one channel, or (examples,
    features). They are uint8, or floats of any width, which become float32. Labels are integers of any width, one per
    example. All headers are checked before any value is read, so pickled, oversized or misshapen arrays cost nothing.

    Args:
        spec: the path, and the number of classes unless it is the largest label plus one.
        data_root: where a relative path starts.
        test: False to read no values of x_test and y_test, only their headers.

    Raises:
        DataError: if anything is missing, damaged, pickled, too large, or has another type or shape.
    """
    path = resolve_in_root(spec.path, data_root)
    if not path.exists():
        prepared = PREPARED.get(spec.path)
        remedy = f"`{prepared.command}` makes it" if prepared else "put the .npz or the folder of .npy files there"
        raise DataError(f"{path}: no such file or folder; {remedy}, or {ANOTHER_ROOT}")
    source = _Source(path)
    if source.missing:
        raise DataError(f"{path}: {', '.join(source.missing)} missing; it must hold {', '.join(NAMES)}")
    headers = {name: _read_header(source, name) for name in NAMES}
    for split in ("train", "test"):
        _check_inputs(headers[f"x_{split}"], source.location(f"x_{split}"))
        _check_targets(headers[f"y_{split}"], source.location(f"y_{split}"))
    require_memory(sum(header.bytes for header in headers.values()), path)
    if not test:
        return _read_without_test(spec, source)
    arrays = {name: _read_values(source, name) for name in NAMES}
    classes = spec.classes or _count_classes(arrays, path)
    return DecodedDataset(
        train_inputs=_to_inputs(arrays["x_train"]),
        train_targets=_to_targets(arrays["y_train"], classes, source.location("y_train")),
        test_inputs=_to_inputs(arrays["x_test"]),
        test_targets=_to_targets(arrays["y_test"], classes, source.location("y_test")),
        classes=classes,
    )


def _read_without_test(spec: ArraysDataset, source: _Source) -> DecodedDataset:
    arrays = {name: _read_values(source, name) for name in ("x_train", "y_train")}
    # The test labels, over which classes are counted otherwise, are withheld.
    classes = spec.classes or _count_classes(arrays, source.path)
    targets = _to_targets(arrays["y_train"], classes, source.location("y_train"))
    return DecodedDataset.without_test(_to_inputs(arrays["x_train"]), targets, classes)


def _read_header(source: _Source, name: str) -> _Header:
    with source.open(name) as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise ValueError(f"version {version[0]}.{version[1]} of the format, expected 1.0 or 2.0")
    if dtype.hasobject:
        raise DataError(
            f"{source.location(name)}: holds pickled Python objects, which could run code and are never loaded; "
            "save it as an array of numbers"
        )
    return _Header(shape, dtype)


def _check_inputs(header: _Header, location: str) -> None:
    dtype, shape = header.dtype, header.shape
    if dtype != np.uint8 and dtype.kind != "f":
        raise DataError(
            f"{location}: is {dtype}, expected uint8 (0 to 255) or floats; "
            "convert it with .astype(numpy.uint8) or .astype(numpy.float32)"
        )
    if len(shape) not in (2, 3, 4):
        raise DataError(
            f"{location}: has shape {shape}, expected (examples, channels, height, width), (examples, height, width) "
            "or (examples, features)"
        )
    if 0 in shape:
        raise DataError(f"{location}: is empty (shape {shape}); it needs at least one example of at least one value")
    if len(shape) == 4 and shape[3] in (1, 3, 4) and shape[1] > 4 and shape[2] > 4:
        raise DataError(
            f"{location}: has shape {shape}, which looks like channels last; expected (examples, channels, height, "
            "width): save it after .transpose(0, 3, 1, 2)"
        )


def _check_targets(header: _Header, location: str) -> None:
    if header.dtype.kind not in "iu":
        raise DataError(f"{location}: is {header.dtype}, expected integers (the class of each example, from 0)")
    if len(header.shape) != 1:
        hint = "; take .argmax(1) of one-hot labels" if len(header.shape) == 2 and header.shape[1] > 1 else ""
        raise DataError(f"{location}: has shape {header.shape}, expected (examples,){hint or '; flatten it'}")
    if header.shape[0] == 0:
        raise DataError(f"{location}: is empty; it needs one label per example")


def _read_values(source: _Source, name: str) -> NDArray[Any]:
    with source.open(name) as stream:
        values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return values


def _count_classes(arrays: Mapping[str, NDArray[Any]], path: Path) -> int:
    largest = max(int(arrays[name].max()) for name in ("y_train", "y_test") if name in arrays)
    if not 1 <= largest < 2**31:
        raise DataError(
            f"{path}: the largest label is {largest}, expected labels from 0 to the number of classes less one; "
            "renumber them, or give classes in the spec"
        )
    return largest + 1


def _to_inputs(values: NDArray[Any]) -> Tensor:
    # A double beyond float32's range becomes infinity here; the later check refuses it and names the example.
    with np.errstate(over="ignore"):
        native = values.astype(np.uint8 if values.dtype == np.uint8 else np.float32, order="C", copy=False)
    images = native[:, np.newaxis] if native.ndim == 3 else native
    return torch.from_numpy(images)


def _to_targets(values: NDArray[Any], classes: int, location: str) -> Tensor:
    # Checked before the conversion, which would turn a label of 2**63 into a negative one.
    if values.dtype.kind == "u" and int(values.max()) >= 2**63:
        raise DataError(f"{location}: has label {int(values.max())}, expected 0 to {classes - 1}")
    targets = torch.from_numpy(values.astype(np.int64, order="C", copy=False))
    check_labels(targets, classes, location)
    return targets
