"""Data set kind ``plugin``: a reader function or a whole ``DatasetKind`` from the hook ``benchsuite_datasets``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.specs.models.dataset import PluginDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(spec: PluginDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.plugin.reader import read_with_plugin

    return read_with_plugin(spec, access)


def _look(spec: PluginDataset, access: Access) -> Availability:
    own = own_kind(spec, access)
    if own is not None:
        return own.look(spec, access)
    return Availability(True, f"read by a plugin's reader '{spec.reader}', which is not called before a run")


def _size(spec: PluginDataset, access: Access) -> DatasetSize | None:
    own = own_kind(spec, access)
    return None if own is None else own.size(spec, access)


def own_kind(spec: PluginDataset, access: Access) -> DatasetKind[PluginDataset] | None:
    """Return the ``DatasetKind`` that a plugin registers under the reader's name; None if a function or nothing."""
    found = access.datasets.get(spec.reader)
    return found if isinstance(found, DatasetKind) and found.spec is PluginDataset else None


KIND = DatasetKind(PluginDataset, _read, _look, _size)
