"""Whether a data set is on this machine, and how large it is, without decoding it or importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchsuite.data.builtin import BUILT_IN
from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.specs.models.dataset import DatasetSpec

if TYPE_CHECKING:
    from benchsuite.data.tensors import DatasetReader

_NO_DATASETS: Mapping[str, DatasetReader | DatasetKind[Any]] = MappingProxyType({})


def availability(
    spec: DatasetSpec, data_root: Path, datasets: Mapping[str, DatasetReader | DatasetKind[Any]] = _NO_DATASETS
) -> Availability:
    """Look whether a data set's files are there; their content is not read.

    Args:
        spec: which data set.
        data_root: where its files would lie.
        datasets: what plugins bring, by name; for ``kind: plugin``.
    """
    return BUILT_IN[spec.kind].look(spec, Access(data_root, datasets))


def size_on_paper(
    spec: DatasetSpec, data_root: Path, datasets: Mapping[str, DatasetReader | DatasetKind[Any]] = _NO_DATASETS
) -> DatasetSize | None:
    """Return what a spec alone says of its data, limits aside; None where they have to be read to know."""
    return BUILT_IN[spec.kind].size(spec, Access(data_root, datasets))
