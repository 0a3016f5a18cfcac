"""Telling plugins what happens, so that none of them can stop a run."""

from __future__ import annotations

import logging
from typing import Any

import pluggy

logger = logging.getLogger("benchsuite.events")


def announce(manager: pluggy.PluginManager, event: str, **arguments: Any) -> None:
    """Call every plugin's implementation of an event; one that fails is logged and the others are still called.

    pluggy's own call stops at the first exception, which would let a broken recorder silence the progress display.
    """
    for implementation in reversed(getattr(manager.hook, event).get_hookimpls()):
        try:
            implementation.function(*(arguments[name] for name in implementation.argnames))
        except Exception as error:
            logger.warning("%s failed in %s: %s: %s", implementation.plugin_name, event, type(error).__name__, error)
