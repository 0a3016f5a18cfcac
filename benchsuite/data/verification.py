"""Read and check a whole data set: compute its fingerprint and report what is wrong with its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.imagenet.reader import store_folder
from benchsuite.data.images.store import damage
from benchsuite.data.images.streamed import StreamedData, StreamedDataset
from benchsuite.data.kind import DatasetKind
from benchsuite.data.load import load_dataset
from benchsuite.data.plain_files import named_and_counted
from benchsuite.data.prepared.files import PREPARED
from benchsuite.data.prepared.prepare import read_manifest
from benchsuite.data.tensors import DatasetReader, DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ArraysDataset, DatasetSpec


@dataclass(frozen=True)
class DatasetContent:
    """The content of a data set.

    Attributes:
        fingerprint: sha256 of the decoded data, or of what represents them if they are streamed.
        canonical: True if the files' checksums are the published ones; None if none are published.
        classes: number of classes.
        train_examples: number of training examples.
        test_examples: number of test examples.
        input_shape: shape of one example.

    """

    fingerprint: str
    canonical: bool | None
    classes: int
    train_examples: int
    test_examples: int
    input_shape: tuple[int, ...]


def check_dataset(
    spec: DatasetSpec, data_root: Path, readers: Mapping[str, DatasetReader | DatasetKind[Any]]
) -> tuple[DatasetContent | None, str]:
    """Read a whole data set, ignoring its spec's limits; nothing is downloaded.

    Args:
        spec: the data set.
        data_root: the folder of its files.
        readers: the readers of plugins, by name.

    Returns:
        The content, or None if it cannot be read; and a description of what is wrong, empty if nothing is.

    """
    limits = {"train_limit", "test_limit", "validation_examples", "validation", "withhold_test"}
    fields = type(spec).model_fields
    whole = spec.model_copy(update={name: fields[name].get_default() for name in limits & fields.keys()})
    try:
        dataset = load_dataset(whole, data_root, readers, download=False)
    except DataError as error:
        return None, str(error)
    content = DatasetContent(
        fingerprint=fingerprint(dataset),
        canonical=dataset.canonical,
        classes=dataset.classes,
        train_examples=len(dataset.train_targets),
        test_examples=len(dataset.test_targets),
        input_shape=tuple(dataset.input_shape),
    )
    if isinstance(dataset, DecodedDataset):
        return content, _difference_from_archive(whole, content.fingerprint, data_root)
    return content, _first_damage(dataset, data_root)


def _difference_from_archive(spec: DatasetSpec, found: str, data_root: Path) -> str:
    """Return how a prepared data set differs from its archive; empty for all other data sets."""
    prepared = PREPARED.get(spec.path) if isinstance(spec, ArraysDataset) else None
    if prepared is None or found == prepared.fingerprint:
        return ""
    made = read_manifest(prepared, data_root)
    if made is None or found != made.fingerprint:
        folder = data_root / prepared.name
        return f"{folder} has been changed since it was made; delete the folder and run `{prepared.command}`"
    return another_decoder(prepared.fingerprint, made.decoder)


def _first_damage(dataset: StreamedDataset, data_root: Path) -> str:
    """Return the changed prepared files, or the first problem with an image; empty if all is right."""
    spec = dataset.spec
    # The files are checked on this machine's CPU, whichever decoder a run will use.
    here = replace(dataset, spec=spec.model_copy(update={"decoder": "processes"}))
    try:
        if spec.stored_side is not None:
            changed = damage(store_folder(spec.path, spec.stored_side, data_root))
            if changed:
                return changed
        data = StreamedData(here, torch.device("cpu"))
        faults = [str(fault) for part in (here.train, here.test) for fault in data.faults(part)]
    except DataError as error:
        return str(error)
    return named_and_counted(faults, "replace or remove what is named") if faults else ""


def another_decoder(usual: str, decoder: str) -> str:
    """Return a sentence which says that a decoder gave other values than the usual one."""
    return (
        f"{decoder} decodes the images to other values than usual (fingerprint {usual[:12]}…): "
        "results on them get separate tables"
    )
