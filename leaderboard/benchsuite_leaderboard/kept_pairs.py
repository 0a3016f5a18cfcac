"""Keep the pages of pairs of rules from one build to the next while everything that they show is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from benchsuite.results.board_plan import RuleWords
from benchsuite.results.model import RuleRow, TrackTable
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.memory import MEMORY
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.package_files import generator_hash
from benchsuite_leaderboard.pages.frame import Frame

PAIRS = f"{MEMORY}/pairs.json"
"""Path, within the site, of the keys of all pairs' pages."""

Shown = TypeVar("Shown", RuleRow, TrackTable)

_KEYS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
_ROW: TypeAdapter[RuleRow] = TypeAdapter(RuleRow)
_TABLE: TypeAdapter[TrackTable] = TypeAdapter(TrackTable)


@dataclass
class KeptPairs:
    """Pairs' pages of an earlier build that stay as they are."""

    earlier: Mapping[str, str] = field(default_factory=dict)
    """Key of each page in the earlier build, by address."""
    files: Set[str] = frozenset()
    """Files of the earlier site; empty if everything is made again."""
    keys: dict[str, str] = field(default_factory=dict)
    """Key of each page in this build."""
    unchanged: set[str] = field(default_factory=set)
    """Files that stay as they are."""
    _digests: dict[int, bytes] = field(default_factory=dict)

    def keep(self, pair: Pair, frame: Frame, names: RuleNames, files: Iterable[str]) -> bool:
        """Return True if a pair's files are there already, made from the same content by the same generator."""
        wanted = set(files)
        self.keys[pair.address] = self._key(pair, frame, names)
        if self.earlier.get(pair.address) != self.keys[pair.address] or not wanted <= self.files:
            return False
        self.unchanged |= wanted
        return True

    def to_remember(self) -> dict[str, bytes]:
        """Return the file that the next build reads, by path within the site."""
        return {PAIRS: _KEYS.dump_json(self.keys)}

    def _key(self, pair: Pair, frame: Frame, names: RuleNames) -> str:
        around = [generator_hash(), astuple(frame), pair.left, pair.right]
        words = [_in_order(names.stated.get(rule)) for rule in (pair.left, pair.right)]
        digest = hashlib.sha256(repr([around, words]).encode("utf-8", "backslashreplace"))
        for line in pair.lines:
            digest.update(self._digest(_TABLE, line.table))
            digest.update(self._digest(_ROW, line.left))
            digest.update(self._digest(_ROW, line.right))
        return digest.hexdigest()

    def _digest(self, adapter: TypeAdapter[Shown], value: Shown) -> bytes:
        # By identity: a rule's row is in the pairs with all other rules, and lives as long as the build.
        if id(value) not in self._digests:
            self._digests[id(value)] = hashlib.sha256(adapter.dump_json(value)).digest()
        return self._digests[id(value)]


def _in_order(words: RuleWords | None) -> tuple[object, ...]:
    """Return a rule's words as plain data; in a set, the order of texts differs from process to process."""
    return () if words is None else astuple(replace(words, forms=frozenset())) + tuple(sorted(words.forms))


def remembered_pairs(out: Path, files: Set[str]) -> KeptPairs:
    """Return the pairs' pages of an earlier build.

    Args:
        out: folder of the site.
        files: its files that still stand; empty to make everything again.

    """
    try:
        return KeptPairs(_KEYS.validate_json((out / PAIRS).read_bytes()) if files else {}, files)
    except (OSError, ValidationError):
        return KeptPairs()
