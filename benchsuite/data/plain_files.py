"""Checks that a file is a plain one of a data set, before it is opened; and messages that name and count the others.

Imports nothing heavy, for processes that only resize images.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

NAMED_IN_A_MESSAGE = 5

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def fault_of(status: os.stat_result) -> str:
    """Return why a file cannot be an image, from its status; empty if it may be one.

    Opening a named pipe would block for ever, and a device may have no end.
    """
    if not stat.S_ISREG(status.st_mode):
        return next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "no plain file")
    return "" if status.st_size else "empty"


def leaves(link: str, root: str) -> bool:
    """Return True if a symbolic link leads out of a folder, whose own path has no links."""
    target = os.path.realpath(link)
    return os.path.commonpath([target, root]) != root


def named_and_counted(faults: Sequence[str], remedy: str) -> str:
    """Return one line with the number of faulty files, the first of them by name, and what to do."""
    count = "1 file cannot" if len(faults) == 1 else f"{len(faults)} files cannot"
    more = ", …" if len(faults) > NAMED_IN_A_MESSAGE else ""
    return f"{count} be decoded as an image: {', '.join(faults[:NAMED_IN_A_MESSAGE])}{more}; {remedy}"
