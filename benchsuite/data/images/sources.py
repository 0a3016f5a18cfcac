"""Sources of image bytes by number: separate files, or packs made by ``data prepare``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchsuite.data.imagenet.files import ListedImages
from benchsuite.data.plain_files import fault_of


class ImageSource(Protocol):
    """Images by number; small to pickle to a worker process, which opens the files itself."""

    def __len__(self) -> int:
        """Return the number of images."""

    def read(self, number: int) -> bytes:
        """Return the bytes of one image's file."""

    def name(self, number: int) -> str:
        """Return the image's name in messages."""


class FileImages:
    """Images in separate files."""

    def __init__(self, root: Path, listed: ListedImages) -> None:
        self._root = os.fsencode(root)
        self._paths = listed.paths

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def read(self, number: int) -> bytes:
        """Return the bytes of one image's file."""
        # Not blocking: what was a file when it was listed may be a named pipe by now.
        descriptor = os.open(
            self._path(number), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor
            fault = fault_of(os.fstat(descriptor))
            if fault:
                raise OSError(fault)
            return stream.read()

    def name(self, number: int) -> str:
        """Return the image's path."""
        return os.fsdecode(self._path(number))

    def _path(self, number: int) -> bytes:
        return os.path.join(self._root, bytes(self._paths[number]))  # noqa: PTH118 - a path of bytes


class PackedImages:
    """Images packed one after the other in a few large files."""

    def __init__(
        self, packs: list[Path], pack: NDArray[np.int32], start: NDArray[np.int64], stop: NDArray[np.int64]
    ) -> None:
        self._packs = packs
        self._pack, self._start, self._stop = pack, start, stop
        self._open: dict[int, int] = {}
        self._owner = os.getpid()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._pack)

    def read(self, number: int) -> bytes:
        """Return the bytes of one image's file."""
        start, stop = int(self._start[number]), int(self._stop[number])
        return os.pread(self._descriptor(int(self._pack[number])), stop - start, start)

    def name(self, number: int) -> str:
        """Return the image's pack and its position there."""
        return f"{self._packs[self._pack[number]]} at {self._start[number]}"

    def _descriptor(self, pack: int) -> int:
        if self._owner != os.getpid():  # descriptors of the parent process are closed by the parent
            self._open, self._owner = {}, os.getpid()
        if pack not in self._open:
            self._open[pack] = os.open(self._packs[pack], os.O_RDONLY)
        return self._open[pack]

    def __getstate__(self) -> dict[str, object]:
        """Return the state without open files."""
        return {**self.__dict__, "_open": {}}

    def __del__(self) -> None:
        """Close the files that this process opened."""
        if self._owner == os.getpid():
            for descriptor in self._open.values():
                os.close(descriptor)
