"""Hashes of a plugin class's source, on which its numbers depend besides the spec."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path


def source_hash(plugin_class: type) -> str:
    """Return the sha256 of the source files of the modules that define a rule or study and its own base classes.

    Modules of torch, of benchsuite itself and of Python are left out, because their versions are recorded instead.
    """
    digest = hashlib.sha256()
    for module_name in sorted({c.__module__ for c in inspect.getmro(plugin_class)}):
        if module_name.split(".")[0] in {"torch", "benchsuite"} | sys.stdlib_module_names:
            continue
        source = getattr(sys.modules.get(module_name), "__file__", None)
        text = Path(source).read_bytes() if source and Path(source).is_file() else repr(plugin_class).encode()
        digest.update(module_name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()


def is_of_the_suite(plugin_class: type) -> bool:
    """Return True if a class is benchsuite's own, whose version is recorded instead of a hash of its source."""
    return plugin_class.__module__.split(".")[0] == "benchsuite"
