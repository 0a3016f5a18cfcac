"""From a data set's spec to its decoded, checked and limited tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from torch import Tensor

from benchsuite.data.builtin import BUILT_IN
from benchsuite.data.checks import check_decoded, one_line
from benchsuite.data.kind import Access, DatasetKind
from benchsuite.data.tensors import DatasetReader, DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import DatasetSpec, ResidentDatasetSpec

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset

_NO_DATASETS: Mapping[str, DatasetReader | DatasetKind[Any]] = MappingProxyType({})


@overload
def load_dataset(
    spec: ResidentDatasetSpec,
    data_root: Path,
    datasets: Mapping[str, DatasetReader | DatasetKind[Any]] = ...,
    *,
    download: bool = ...,
) -> DecodedDataset: ...


@overload
def load_dataset(
    spec: DatasetSpec,
    data_root: Path,
    datasets: Mapping[str, DatasetReader | DatasetKind[Any]] = ...,
    *,
    download: bool = ...,
) -> DecodedDataset | StreamedDataset: ...


def load_dataset(
    spec: DatasetSpec,
    data_root: Path,
    datasets: Mapping[str, DatasetReader | DatasetKind[Any]] = _NO_DATASETS,
    *,
    download: bool = True,
) -> DecodedDataset | StreamedDataset:
    """Read a data set, check it, and keep the first so many examples if the spec limits them.

    A streamed data set (ImageNet) is not read but found: its images are decoded while a network learns from them.

    Args:
        spec: which data set.
        data_root: where its files lie; see ``benchsuite.data.roots.find_data_root``.
        datasets: what plugins bring, by name; for ``kind: plugin``.
        download: False forbids the network; so does the environment's ``BENCHSUITE_OFFLINE``.

    Returns:
        The data as they are used: contiguous, valid, and sharing memory with nothing that is not used; or, of a
        streamed one, where each image is.

    Raises:
        DataError: if they are missing, damaged or not what the spec says; one line that names the data set and the
            remedy.
    """
    try:
        dataset = BUILT_IN[spec.kind].read(spec, Access(Path(data_root), datasets, download))
        if not isinstance(dataset, DecodedDataset):
            return dataset
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
