"""The two pluggy markers, apart so that importing one imports nothing else."""

import pluggy

hookspec = pluggy.HookspecMarker("benchsuite")
hookimpl = pluggy.HookimplMarker("benchsuite")
"""Decorates a plugin's functions, as ``@hookimpl``."""
