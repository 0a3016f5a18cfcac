"""What the suite knows of a kind of data set: its spec, its reader, where its files lie and what shape they have.

One folder per data set holds these; ``benchsuite.data.builtin`` names them all. Imports no torch: readers are imported
by what calls them.
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
    """What a look at the files says.

    Attributes:
        found: whether a run would find its data without a download.
        detail: where they are, or what is missing and what would happen.
    """

    found: bool
    detail: str


@dataclass(frozen=True)
class DatasetSize:
    """What a spec alone says of its data, limits aside.

    Attributes:
        input_shape: of one example.
        classes: how many there are.
        train: training examples.
        test: test examples.
    """

    input_shape: tuple[int, ...]
    classes: int
    train: int
    test: int


@dataclass(frozen=True)
class Access:
    """How data may be had.

    Attributes:
        data_root: where files lie; see ``benchsuite.data.roots.find_data_root``.
        datasets: what ``benchsuite_datasets`` of all plugins returned, for ``kind: plugin``.
        download: whether the network may be used.
    """

    data_root: Path
    datasets: Mapping[str, DatasetReader | DatasetKind[Any]]
    download: bool = True


@dataclass(frozen=True)
class DatasetKind(Generic[SpecT]):
    """One kind of data set; a plugin may return one of its own, with ``spec=PluginDataset``.

    Attributes:
        spec: the model of its specs.
        read: returns the data; raises ``DataError`` with what to put where.
        look: says whether the files are there, without reading them or importing torch.
        size: returns what is known before anything is read; None if it has to be read first.
    """

    spec: type[SpecT]
    read: Callable[[SpecT, Access], DecodedDataset | StreamedDataset]
    look: Callable[[SpecT, Access], Availability]
    size: Callable[[SpecT, Access], DatasetSize | None] = lambda _spec, _access: None
