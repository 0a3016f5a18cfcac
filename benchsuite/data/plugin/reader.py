"""Call a plugin's data set reader and report its errors as the plugin's."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

from benchsuite.data.checks import one_line
from benchsuite.data.kind import Access, DatasetKind
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError, nearest
from benchsuite.specs.models.dataset import PluginDataset


def read_with_plugin(spec: PluginDataset, access: Access) -> DecodedDataset:
    """Call the reader that a spec names.

    Args:
        spec: the reader's name and options; the reader gets a copy of the options.
        access: the data root, which is passed to the reader, and the data sets of all plugins.

    Raises:
        DataError: the reader's own, unchanged; or one that names the reader if it is unknown, raises another exception
            or returns something else.
    """
    reader = access.datasets.get(spec.reader)
    if isinstance(reader, DatasetKind) and reader.spec is not PluginDataset:
        raise DataError(
            f"'{spec.reader}' is a built-in kind of data set, not a plugin's reader; write kind: {spec.reader}"
        )
    if reader is None:
        names = [name for name, found in access.datasets.items() if _is_of_a_plugin(found)]
        known = ", ".join(sorted(names)) or "none"
        raise DataError(f"no reader '{spec.reader}'{nearest(spec.reader, names)} (installed plugins bring: {known})")
    try:
        if isinstance(reader, DatasetKind):
            dataset: Any = reader.read(spec.model_copy(deep=True), access)
        elif access.test:
            dataset = reader(copy.deepcopy(spec.options), access.data_root)
        else:
            _require_that_test_can_be_left_out(reader, spec.reader)
            dataset = reader(copy.deepcopy(spec.options), access.data_root, test=False)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"reader '{spec.reader}' of a plugin failed: {one_line(error)}; report it to its author"
        ) from error
    if not isinstance(dataset, DecodedDataset):
        found = type(dataset).__name__
        raise DataError(
            f"reader '{spec.reader}' of a plugin returned {found}, expected DecodedDataset; report it to its author"
        )
    return dataset


def _require_that_test_can_be_left_out(reader: Callable[..., Any], name: str) -> None:
    """Raise DataError unless a reader takes the keyword ``test``: it would decode the test set, which is withheld."""
    if "test" not in inspect.signature(reader).parameters:
        raise DataError(
            f"reader '{name}' of a plugin always reads the test set, which tuning must not see; have it take the "
            "keyword test=True, and return DecodedDataset.without_test(…) when it is False"
        )


def _is_of_a_plugin(found: object) -> bool:
    return not isinstance(found, DatasetKind) or found.spec is PluginDataset
