"""Data sets read by a plugin: call its reader and report its errors as the plugin's."""

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
        spec: the reader's name and options; the reader gets a copy of the options.
        data_root: passed to the reader.
        plugin_readers: all readers by name.

    Raises:
        DataError: raised by the reader, unchanged; or an error that names the reader, if it is unknown, fails or
            returns something else.
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
