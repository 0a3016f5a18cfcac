"""Where the bytes of numbered images come from: files of their own, or packs that ``data prepare`` made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchsuite.data.imagenet.files import ListedImages


class ImageSource(Protocol):
    """Images by number; small to send to a process, and opened there."""

    def __len__(self) -> int:
        """Return how many there are."""

    def read(self, number: int) -> bytes:
        """Return one image's file as it is."""

    def name(self, number: int) -> str:
        """Return what messages call it."""


class FileImages:
    """Images in files of their own."""

    def __init__(self, root: Path, listed: ListedImages) -> None:
        self._root = os.fsencode(root)
        self._paths = listed.paths

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._paths)

    def read(self, number: int) -> bytes:
        """Return one image's file."""
        with open(self._path(number), "rb") as stream:  # noqa: PTH123 - a path of bytes
            return stream.read()

    def name(self, number: int) -> str:
        """Return its path."""
        return os.fsdecode(self._path(number))

    def _path(self, number: int) -> bytes:
        return os.path.join(self._root, bytes(self._paths[number]))  # noqa: PTH118 - a path of bytes


class PackedImages:
    """Images one after the other in a few large files."""

    def __init__(
        self, packs: list[Path], pack: NDArray[np.int32], start: NDArray[np.int64], stop: NDArray[np.int64]
    ) -> None:
        self._packs = packs
        self._pack, self._start, self._stop = pack, start, stop
        self._open: dict[int, int] = {}
        self._owner = os.getpid()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pack)

    def read(self, number: int) -> bytes:
        """Return one image's file."""
        start, stop = int(self._start[number]), int(self._stop[number])
        return os.pread(self._descriptor(int(self._pack[number])), stop - start, start)

    def name(self, number: int) -> str:
        """Return pack and place."""
        return f"{self._packs[self._pack[number]]} at {self._start[number]}"

    def _descriptor(self, pack: int) -> int:
        if self._owner != os.getpid():  # descriptors of the process that this one was forked from are its own to close
            self._open, self._owner = {}, os.getpid()
        if pack not in self._open:
            self._open[pack] = os.open(self._packs[pack], os.O_RDONLY)
        return self._open[pack]

    def __getstate__(self) -> dict[str, object]:
        """Leave open files behind."""
        return {**self.__dict__, "_open": {}}

    def __del__(self) -> None:
        """Close what was opened here."""
        if self._owner == os.getpid():
            for descriptor in self._open.values():
                os.close(descriptor)
