"""Data sets of runs, each read once per process and kept with its fingerprint."""

from __future__ import annotations

from pathlib import Path

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.execution.record_building import LoadedData
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import canonical_json
from benchsuite.specs.models.dataset import DatasetSpec
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks


class DataLoader:
    """Reads data sets, and keeps those read last.

    Args:
        data_root: where their files lie.
        registry: for plugins' readers.
        ranks: rank 0 reads first, so that the others find what it downloads.
        keep: how many are kept; None for all.

    """

    def __init__(
        self, data_root: Path, registry: Registry, ranks: Ranks = SINGLE_PROCESS, keep: int | None = None
    ) -> None:
        self.data_root = data_root
        self.registry = registry
        self.ranks = ranks
        self.keep = keep
        self._loaded: dict[str, LoadedData] = {}

    def load(self, spec: DatasetSpec) -> LoadedData:
        """Return a data set with its fingerprint.

        Raises:
            DataError: if it is missing or damaged.

        """
        key = canonical_json(spec.model_dump(mode="json"))
        loaded = self._loaded.pop(key, None)
        if loaded is None:
            while self.keep is not None and len(self._loaded) >= self.keep:
                del self._loaded[next(iter(self._loaded))]  # the one not asked for the longest
            with self.ranks.rank0_first():
                dataset = load_dataset(spec, self.data_root, self.registry.datasets)
            loaded = LoadedData(dataset, fingerprint(dataset))
        self._loaded[key] = loaded
        return loaded

    def load_resident(self, spec: DatasetSpec) -> DecodedDataset:
        """Return the tensors of a data set that is read whole; raises as ``load`` does."""
        dataset = self.load(spec).dataset
        assert isinstance(dataset, DecodedDataset)  # noqa: S101 - of images in files the spec says the shape
        return dataset
