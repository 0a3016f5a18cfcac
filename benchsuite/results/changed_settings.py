"""Settings of a rule that a run's command changed, beside what its track says and what a tuning chose."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from itertools import pairwise

_OF_A_RULE = re.compile(r"rules\.[^=]+?\.config(?:\.(?P<setting>[^=]+))?=")
"""Start of an override of one setting, or of all of them at once."""


def changed_settings(command: str, chosen: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of the rule's settings that ``--set`` changed; "config" if it replaced them all.

    Args:
        command: the command that makes a run again, from its record.
        chosen: names of the settings that a tuning searched; the command of a tuned run sets those too.

    """
    try:
        words = shlex.split(command)
    except ValueError:  # written by hand
        return ()
    values = [value for option, value in pairwise(words) if option == "--set"]
    found = [match["setting"] or "config" for value in values if (match := _OF_A_RULE.match(value))]
    return tuple(sorted({*found} - {*chosen}))
