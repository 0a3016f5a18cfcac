"""Data sets that a plugin reads: its reader is called, and whatever goes wrong in it is told as its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchsuite.data.checks import one_line
from benchsuite.data.tensors import DatasetReader, DecodedDataset
from benchsuite.errors import DataError, nearest
from benchsuite.specs.models.dataset import PluginDataset


def read_with_plugin(
    spec: PluginDataset, data_root: Path, plugin_readers: Mapping[str, DatasetReader]
) -> DecodedDataset:
    """Call the reader that a spec names.

    Args:
        spec: the reader's name and its options; it gets a copy of them.
        data_root: handed to the reader.
        plugin_readers: all readers by name.

    Raises:
        DataError: the reader's own, as it is; for an unknown reader, one that fails or one that returns something
            else, an error that names it.
    """
    reader = plugin_readers.get(spec.reader)
    if reader is None:
        known = ", ".join(sorted(plugin_readers)) or "none"
        hint = nearest(spec.reader, plugin_readers)
        raise DataError(f"no reader '{spec.reader}'{hint} (installed plugins bring: {known})")
    try:
        dataset: Any = reader(copy.deepcopy(spec.options), data_root)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"reader '{spec.reader}' of a plugin failed: {one_line(error)}; tell its author") from error
    if not isinstance(dataset, DecodedDataset):
        found = type(dataset).__name__
        raise DataError(
            f"reader '{spec.reader}' of a plugin returned {found}, expected DecodedDataset; tell its author"
        )
    return dataset
