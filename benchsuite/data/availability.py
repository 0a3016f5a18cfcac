"""Look up a data set's availability and size without decoding it or importing torch."""

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
    """Check that a data set's files exist, without reading their content.

    Args:
        spec: the data set.
        data_root: the folder that would hold its files.
        datasets: the data sets of plugins, by name; for ``kind: plugin``.
    """
    return BUILT_IN[spec.kind].look(spec, Access(data_root, datasets))


def size_on_paper(
    spec: DatasetSpec, data_root: Path, datasets: Mapping[str, DatasetReader | DatasetKind[Any]] = _NO_DATASETS
) -> DatasetSize | None:
    """Return a data set's size from its spec alone, ignoring limits; None if the data must be read to know it."""
    return BUILT_IN[spec.kind].size(spec, Access(data_root, datasets))
