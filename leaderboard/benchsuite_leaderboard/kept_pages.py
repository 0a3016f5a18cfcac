"""Keep pages of several tracks from one build to the next while everything that they show is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from benchsuite.results.board_plan import RuleWords
from benchsuite.results.model import RuleRow, TrackTable
from benchsuite.results.tuning_summary import TuningTable
from benchsuite_leaderboard.memory import MEMORY
from benchsuite_leaderboard.package_files import generator_hash
from benchsuite_leaderboard.pages.frame import Frame

PAGES = f"{MEMORY}/pages.json"
"""Path, within the site, of the keys of all these pages."""

Shown = RuleRow | TrackTable | TuningTable
"""Results that a page shows; a table without the rows that it does not show."""

_KEYS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


@dataclass
class KeptPages:
    """Pages of an earlier build that stay as they are."""

    earlier: Mapping[str, str] = field(default_factory=dict)
    """Key of each page in the earlier build, by address."""
    files: Set[str] = frozenset()
    """Files of the earlier site; empty if everything is made again."""
    keys: dict[str, str] = field(default_factory=dict)
    """Key of each page in this build."""
    unchanged: set[str] = field(default_factory=set)
    """Files that stay as they are."""
    _digests: dict[int, bytes] = field(default_factory=dict)

    def keep(self, frame: Frame, words: Sequence[object], results: Iterable[Shown], files: Sequence[str]) -> bool:
        """Return True if a page's files are there already, made from the same content by the same generator.

        Args:
            frame: frame around the page.
            words: texts and numbers that it shows; no set, whose order differs from process to process.
            results: results that it shows.
            files: the page's path within the site, and those of its downloads.

        """
        address = files[0]
        self.keys[address] = self._key([generator_hash(), astuple(frame), *words], results)
        if self.earlier.get(address) != self.keys[address] or not set(files) <= self.files:
            return False
        self.unchanged.update(files)
        return True

    def to_remember(self) -> dict[str, bytes]:
        """Return the file that the next build reads, by path within the site."""
        return {PAGES: _KEYS.dump_json(self.keys)}

    def _key(self, words: Sequence[object], results: Iterable[Shown]) -> str:
        digest = hashlib.sha256(repr(words).encode("utf-8", "backslashreplace"))
        for each in results:
            digest.update(self._digest(each))
        return digest.hexdigest()

    def _digest(self, shown: Shown) -> bytes:
        # By identity: a rule's row is in the pairs with all other rules, and lives as long as the build.
        if id(shown) not in self._digests:
            self._digests[id(shown)] = hashlib.sha256(to_json(shown)).digest()
        return self._digests[id(shown)]


def words_in_order(words: RuleWords | None) -> tuple[object, ...]:
    """Return a rule's words as plain data without sets."""
    return () if words is None else astuple(replace(words, forms=frozenset())) + tuple(sorted(words.forms))


def remembered_pages(out: Path, files: Set[str]) -> KeptPages:
    """Return the pages of an earlier build.

    Args:
        out: folder of the site.
        files: its files that still stand; empty to make everything again.

    """
    try:
        return KeptPages(_KEYS.validate_json((out / PAGES).read_bytes()) if files else {}, files)
    except (OSError, ValidationError):
        return KeptPages()
