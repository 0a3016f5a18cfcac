"""Send events to plugins so that no plugin can stop a run."""

from __future__ import annotations

import logging
from typing import Any

import pluggy

from benchsuite.registry.interrupts import watched_for_stop
from benchsuite.registry.manager import caller_of_one

logger = logging.getLogger("benchsuite.events")


def send_event(manager: pluggy.PluginManager, event: str, **arguments: Any) -> None:
    """Call every plugin's implementation of an event; log one that fails, and still call the others.

    pluggy's call of all implementations stops at the first exception: a broken recorder would silence the progress
    display. So pluggy is asked to call one plugin at a time, in its own order.
    """
    plugins = {each.plugin_name: each.plugin for each in reversed(getattr(manager.hook, event).get_hookimpls())}
    for name, plugin in plugins.items():
        # Around the try: a signal that meets the watch's own beginning or end is no plugin's error.
        with watched_for_stop() as stop:
            try:
                caller_of_one(manager, event, plugin)(**arguments)
            except BaseException as error:  # sys.exit in a plugin too; only a person or the system stops a run
                if stop.came:
                    raise
                logger.warning("%s failed in %s: %s: %s", name, event, type(error).__name__, error)
