"""Load a data set from its spec: decode it, check it and apply the spec's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from benchsuite.data.builtin import BUILT_IN
from benchsuite.data.checks import check_decoded, one_line
from benchsuite.data.kind import Access, DatasetKind
from benchsuite.data.stratified import choose_stratified
from benchsuite.data.tensors import DatasetReader, DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import DatasetSpec, ResidentBase, ResidentDatasetSpec

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
    """Read a data set, check it, and keep only the first examples if the spec limits their number.

    A streamed data set (ImageNet) is only located, not read: its images are decoded during training.

    Args:
        spec: the data set.
        data_root: the folder of its files; see ``benchsuite.data.roots.find_data_root``.
        datasets: the data sets of plugins, by name; for ``kind: plugin``.
        download: False forbids the network; so does the environment's ``BENCHSUITE_OFFLINE``.

    Returns:
        The data as used in training: contiguous and valid, sharing no memory with unused examples; or, for a streamed
        data set, the location of each image.

    Raises:
        DataError: if the data are missing, damaged or not as the spec says; one line that names the data set and the
            remedy.
    """
    try:
        test = not (isinstance(spec, ResidentBase) and spec.withhold_test)
        dataset = BUILT_IN[spec.kind].read(spec, Access(Path(data_root), datasets, download, test))
        if not isinstance(dataset, DecodedDataset):
            return dataset
        check_decoded(dataset, f"kind: {spec.kind}", test=test)
    except DataError as error:
        raise DataError(f"data set '{spec.name}': {error}") from error
    except MemoryError as error:
        message = f"data set '{spec.name}': does not fit in memory ({one_line(error)}); use fewer or smaller examples"
        raise DataError(message) from error
    if isinstance(spec, ResidentBase) and spec.drawn_examples:
        return _with_drawn_validation(spec, dataset)
    held_out = _held_out(spec, dataset) if isinstance(spec, ResidentBase) and spec.validation_examples else None
    return replace(
        dataset,
        validation_inputs=None if held_out is None else dataset.train_inputs[held_out].clone().contiguous(),
        validation_targets=None if held_out is None else dataset.train_targets[held_out].clone().contiguous(),
        train_inputs=_first(dataset.train_inputs, spec.train_limit),
        train_targets=_first(dataset.train_targets, spec.train_limit),
        test_inputs=_first(dataset.test_inputs, spec.test_limit),
        test_targets=_first(dataset.test_targets, spec.test_limit),
    )


def _with_drawn_validation(spec: ResidentBase, dataset: DecodedDataset) -> DecodedDataset:
    """Return the data set with its validation examples drawn and taken out of the training examples."""
    split, there = spec.validation, len(dataset.train_targets)
    assert split is not None  # noqa: S101 - the caller has asked for their number
    if split.examples >= there:
        raise DataError(
            f"data set '{spec.name}': {split.examples} validation examples of {there} training examples leave none to "
            "learn; lower validation.examples"
        )
    drawn = torch.from_numpy(choose_stratified(dataset.train_targets.numpy(), split.examples, split.seed))
    rest = (~drawn).nonzero().squeeze(1)[: spec.train_limit]  # (examples,), in the order of the data set
    return replace(
        dataset,
        validation_inputs=dataset.train_inputs[drawn].contiguous(),
        validation_targets=dataset.train_targets[drawn].contiguous(),
        train_inputs=dataset.train_inputs[rest].contiguous(),
        train_targets=dataset.train_targets[rest].contiguous(),
        test_inputs=_first(dataset.test_inputs, spec.test_limit),
        test_targets=_first(dataset.test_targets, spec.test_limit),
    )


def _held_out(spec: ResidentBase, dataset: DecodedDataset) -> slice:
    """Return the place of the examples that are held out, after those that are learned."""
    start, wanted, there = spec.train_limit or 0, spec.validation_examples or 0, len(dataset.train_targets)
    if start + wanted > there:
        raise DataError(
            f"data set '{spec.name}': {wanted} validation_examples after the first {start} training examples, but "
            f"there are {there} in all; lower validation_examples or train_limit"
        )
    return slice(start, start + wanted)


def _first(tensor: Tensor, limit: int | None) -> Tensor:
    if limit is None or limit >= len(tensor):
        return tensor.contiguous()
    # Copied, since a slice would keep the whole data set in memory.
    return tensor[:limit].clone().contiguous()
