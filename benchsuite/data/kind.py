"""The description of a data set kind: its spec model, its reader, and the functions that locate and size its data.

One folder per data set holds these; ``benchsuite.data.builtin`` lists them all. Does not import torch: readers are
imported only when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchsuite.specs.models.dataset import DatasetBase

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset
    from benchsuite.data.tensors import DatasetReader, DecodedDataset

SpecT = TypeVar("SpecT", bound=DatasetBase)


@dataclass(frozen=True)
class Availability:
    """The result of looking for a data set's files.

    Attributes:
        found: True if a run would find its data without a download.
        detail: the location of the files, or what is missing and what a run would then do.
        is_published: True if `benchsuite data fetch` can download what is missing.
    """

    found: bool
    detail: str
    is_published: bool = False


@dataclass(frozen=True)
class DatasetSize:
    """A data set's size as its spec alone tells it, ignoring limits.

    Attributes:
        input_shape: shape of one example.
        classes: number of classes.
        train: number of training examples.
        test: number of test examples.
    """

    input_shape: tuple[int, ...]
    classes: int
    train: int
    test: int


@dataclass(frozen=True)
class Access:
    """The data root, the plugins' data sets and the permission to download.

    Attributes:
        data_root: folder of the data files; see ``benchsuite.data.roots.find_data_root``.
        datasets: the results of ``benchsuite_datasets`` of all plugins, for ``kind: plugin``.
        download: True if the network may be used.
        test: False to leave out the test set: a reader then returns none and must not decode it.
    """

    data_root: Path
    datasets: Mapping[str, DatasetReader | DatasetKind[Any]]
    download: bool = True
    test: bool = True


@dataclass(frozen=True)
class DatasetKind(Generic[SpecT]):
    """One kind of data set; a plugin may return its own, with ``spec=PluginDataset``.

    Attributes:
        spec: the pydantic model of its specs.
        read: returns the data; raises ``DataError`` that says which files to put where.
        look: returns the availability of the files, without reading them or importing torch.
        size: returns the size known before anything is read; None if the data must be read first.
    """

    spec: type[SpecT]
    read: Callable[[SpecT, Access], DecodedDataset | StreamedDataset]
    look: Callable[[SpecT, Access], Availability]
    size: Callable[[SpecT, Access], DatasetSize | None] = lambda _spec, _access: None
