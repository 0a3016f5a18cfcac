"""Load data sets of runs once per process, with their fingerprints."""

from __future__ import annotations

from pathlib import Path

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.execution.record_building import LoadedData
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import canonical_json
from benchsuite.specs.models.dataset import DatasetSpec, ResidentBase
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks


class DataLoader:
    """Loader of data sets with a cache of those used last.

    Args:
        data_root: folder of their files.
        registry: provides plugins' readers.
        ranks: rank 0 reads first, so that the others find what it downloaded.
        keep: number of data sets in the cache; None for all.

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
                del self._loaded[next(iter(self._loaded))]  # the least recently used
            with self.ranks.rank0_first():
                dataset = load_dataset(spec, self.data_root, self.registry.datasets)
            drawn = isinstance(spec, ResidentBase) and bool(spec.drawn_examples)
            loaded = LoadedData(dataset, fingerprint(dataset, drawn_validation=drawn))
        self._loaded[key] = loaded
        return loaded

    def load_resident(self, spec: DatasetSpec) -> DecodedDataset:
        """Return the tensors of a data set that is held in memory; raises as ``load`` does."""
        dataset = self.load(spec).dataset
        assert isinstance(dataset, DecodedDataset)  # noqa: S101 - for images in files the spec gives the shape
        return dataset
