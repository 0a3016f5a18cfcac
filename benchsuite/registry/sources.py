"""The code that a rule's numbers depend on besides the spec: the hash of its source, and its distribution."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path


def rule_source_hash(rule: type) -> str:
    """Return the sha256 of the source files of the modules that define a rule and its own base classes.

    Modules of torch, of benchsuite itself and of Python are left out, because their versions are recorded instead.
    """
    digest = hashlib.sha256()
    for module_name in sorted({c.__module__ for c in inspect.getmro(rule)}):
        if module_name.split(".")[0] in {"torch", "benchsuite"} | sys.stdlib_module_names:
            continue
        source = getattr(sys.modules.get(module_name), "__file__", None)
        text = Path(source).read_bytes() if source and Path(source).is_file() else repr(rule).encode()
        digest.update(module_name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()
