"""The built-in data set kinds, by the ``kind`` of their specs; registered through the same hook as plugins.

To add one, write its folder with a ``kind.py``, its spec in ``benchsuite.specs.models.dataset``, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from benchsuite.data.arrays.kind import KIND as ARRAYS
from benchsuite.data.cifar.kind import KIND as CIFAR
from benchsuite.data.digits.kind import KIND as DIGITS
from benchsuite.data.image_folder.kind import KIND as IMAGE_FOLDER
from benchsuite.data.imagenet.kind import KIND as IMAGENET
from benchsuite.data.kind import DatasetKind
from benchsuite.data.mnist.kind import KIND as MNIST
from benchsuite.data.plugin.kind import KIND as PLUGIN
from benchsuite.data.synthetic.kind import KIND as SYNTHETIC
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1

BUILT_IN: Mapping[str, DatasetKind[Any]] = MappingProxyType(
    {
        "digits": DIGITS,
        "mnist": MNIST,
        "cifar10": CIFAR,
        "cifar100": CIFAR,
        "arrays": ARRAYS,
        "image_folder": IMAGE_FOLDER,
        "imagenet": IMAGENET,
        "synthetic": SYNTHETIC,
        "plugin": PLUGIN,
    }
)


@hookimpl
def benchsuite_datasets() -> Mapping[str, DatasetKind[Any]]:
    """Return all built-in kinds by name."""
    return BUILT_IN
