"""From a data set's spec to its decoded, checked and limited tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from torch import Tensor

from benchsuite.data.checks import check_decoded, one_line
from benchsuite.data.tensors import DatasetReader, DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import (
    ArraysDataset,
    CifarDataset,
    DatasetSpec,
    DigitsDataset,
    ImageFolderDataset,
    ImagenetDataset,
    MnistDataset,
    PluginDataset,
    ResidentDatasetSpec,
    SyntheticDataset,
)

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset

_NO_READERS: Mapping[str, DatasetReader] = MappingProxyType({})


@overload
def load_dataset(
    spec: ResidentDatasetSpec,
    data_root: Path,
    plugin_readers: Mapping[str, DatasetReader] = ...,
    *,
    download: bool = ...,
) -> DecodedDataset: ...


@overload
def load_dataset(
    spec: DatasetSpec, data_root: Path, plugin_readers: Mapping[str, DatasetReader] = ..., *, download: bool = ...
) -> DecodedDataset | StreamedDataset: ...


def load_dataset(
    spec: DatasetSpec,
    data_root: Path,
    plugin_readers: Mapping[str, DatasetReader] = _NO_READERS,
    *,
    download: bool = True,
) -> DecodedDataset | StreamedDataset:
    """Read a data set, check it, and keep the first so many examples if the spec limits them.

    ImageNet is not read but found: its images are decoded while a network learns from them.

    Args:
        spec: which data set.
        data_root: where its files lie; see ``benchsuite.data.roots.find_data_root``.
        plugin_readers: readers by name, for ``kind: plugin``.
        download: False forbids the network; so does the environment's ``BENCHSUITE_OFFLINE``.

    Returns:
        The data as they are used: contiguous, valid, and sharing memory with nothing that is not used; or, of ImageNet,
        where each image is.

    Raises:
        DataError: if they are missing, damaged or not what the spec says; one line that names the data set and the
            remedy.
    """
    try:
        if isinstance(spec, ImagenetDataset):
            from benchsuite.data.imagenet.reader import read_imagenet

            return read_imagenet(spec, Path(data_root))
        dataset = _read(spec, Path(data_root), plugin_readers, download)
        check_decoded(dataset, f"kind: {spec.kind}")
    except DataError as error:
        raise DataError(f"data set '{spec.name}': {error}") from error
    except MemoryError as error:
        message = f"data set '{spec.name}': does not fit in memory ({one_line(error)}); use fewer or smaller examples"
        raise DataError(message) from error
    return replace(
        dataset,
        train_inputs=_first(dataset.train_inputs, spec.train_limit),
        train_targets=_first(dataset.train_targets, spec.train_limit),
        test_inputs=_first(dataset.test_inputs, spec.test_limit),
        test_targets=_first(dataset.test_targets, spec.test_limit),
    )


def _first(tensor: Tensor, limit: int | None) -> Tensor:
    if limit is None or limit >= len(tensor):
        return tensor.contiguous()
    # A copy: a slice would keep the whole data set in memory.
    return tensor[:limit].clone().contiguous()


def _read(
    spec: ResidentDatasetSpec, data_root: Path, plugin_readers: Mapping[str, DatasetReader], download: bool
) -> DecodedDataset:
    # Imported where they are used: scikit-learn alone takes more than a second.
    match spec:
        case DigitsDataset():
            from benchsuite.data.digits.reader import read_digits

            return read_digits(spec)
        case MnistDataset():
            from benchsuite.data.mnist.reader import read_mnist

            return read_mnist(data_root, download=download)
        case CifarDataset():
            from benchsuite.data.cifar.reader import read_cifar

            return read_cifar(spec, data_root, download=download)
        case ArraysDataset():
            from benchsuite.data.arrays.reader import read_arrays

            return read_arrays(spec, data_root)
        case ImageFolderDataset():
            from benchsuite.data.image_folder.reader import read_image_folder

            return read_image_folder(spec, data_root)
        case SyntheticDataset():
            from benchsuite.data.synthetic.reader import make_synthetic

            return make_synthetic(spec)
        case PluginDataset():
            from benchsuite.data.plugin_reader import read_with_plugin

            return read_with_plugin(spec, data_root, plugin_readers)
