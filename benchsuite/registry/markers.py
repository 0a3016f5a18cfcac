"""The two pluggy markers, in a module of their own so that importing one imports nothing else."""

import pluggy

hookspec = pluggy.HookspecMarker("benchsuite")
hookimpl = pluggy.HookimplMarker("benchsuite")
"""Decorator for a plugin's hook functions: ``@hookimpl``."""
