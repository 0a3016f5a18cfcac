"""Keep the pages of runs from one build to the next while everything that they show is the same.

One new record makes its track's tables anew, and with them the pages of the runs beside it; the others stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from benchsuite.records.model import RunRecord


@dataclass
class KeptRuns:
    """Pages of a track's runs in an earlier build, and the content of their records now.

    Records are told apart by ``id``, since all of them live to the end of the build.
    """

    frame: str = ""
    """Hash of the generator and of the frame around every page."""
    earlier: Mapping[str, str] = field(default_factory=dict)
    """Key of each page in the earlier build, by address."""
    files: Set[str] = frozenset()
    """Files of the earlier site; empty if everything is made again."""
    sources: dict[int, str] = field(default_factory=dict)
    """Identifies the content of a record: its file with size and time, or a hash."""
    texts: dict[int, str] = field(default_factory=dict)
    """Text of a record as ``record_text`` returns it, where it is known."""
    keys: dict[str, str] = field(default_factory=dict)
    """Key of each page in this build."""
    unchanged: set[str] = field(default_factory=set)
    """Files that stay as they are."""

    def keep(self, record: RunRecord, around: str, files: tuple[str, ...]) -> bool:
        """Return True if a run's files are there already, made from the same content by the same generator.

        Args:
            record: the record.
            around: everything else that its page shows.
            files: the page's path within the site, and those of its downloads.

        """
        source = self.sources.get(id(record))
        if source is None:
            return False
        parts = "\0".join([self.frame, source, around])
        key = hashlib.sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()[:32]
        self.keys[files[0]] = key
        if self.earlier.get(files[0]) != key or not set(files) <= self.files:
            return False
        self.unchanged.update(files)
        return True
