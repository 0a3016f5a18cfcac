"""Events of a job in a file, which the command reads as it grows."""

from __future__ import annotations

import base64
import binascii
import pickle
from collections.abc import Iterator
from pathlib import Path


def append_event(path: Path, event: str, arguments: dict[str, object]) -> None:
    """Append an event as a line of its own, also after one that a killed process has not finished."""
    line = base64.b64encode(pickle.dumps((event, arguments)))
    # Opened each time: another machine sees what was written when a file is closed.
    with path.open("ab") as stream:
        stream.write(b"\n" + line + b"\n")


class EventFile:
    """Reader of a file of events.

    Args:
        path: the file, which may not exist yet.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def new_events(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Yield the events that were completed since the last call; unfinished lines are left out."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._read)
                found = stream.read()
        except OSError:
            return
        complete = found[: found.rfind(b"\n") + 1]
        self._read += len(complete)
        for line in filter(None, complete.split(b"\n")):
            try:
                event, arguments = pickle.loads(base64.b64decode(line, validate=True))  # noqa: S301 - of our own job
            except (binascii.Error, EOFError, ValueError, pickle.UnpicklingError):
                continue
            yield event, arguments
