"""Versions and code that can change a run's numbers."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchsuite.records.model import Environment, Versions
from benchsuite.registry.manager import Registry
from benchsuite.registry.sources import source_hash
from benchsuite.specs.models.architecture import PluginArchitecture
from benchsuite.specs.models.dataset import PluginDataset
from benchsuite.specs.models.track import RunSpec
from benchsuite.version import __version__


@cache
def git_state() -> tuple[str | None, bool | None]:
    """Return the commit of the suite's own checkout and if it has changes; None for both in an installed wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit or None, dirty


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def versions() -> Versions:
    """Return the versions in use and where the suite's code came from."""
    commit, dirty = git_state()
    return Versions(
        benchsuite=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=np.__version__,
        platform=platform.platform(),
        git_commit=commit,
        git_dirty=dirty,
    )


def environment_of(registry: Registry, rule_name: str, spec: RunSpec | None = None) -> Environment:
    """Return the environment that a run depends on, apart from its spec and its data.

    Args:
        registry: provides rules and everything else that plugins contribute.
        rule_name: the run's rule.
        spec: the run, for the other plugins that it uses; None if there are none.

    Raises:
        PluginError: if the rule is not installed.

    """
    return Environment(
        **versions().model_dump(),
        rule_distribution=registry.origins["rule", rule_name].distribution,
        rule_source_hash=source_hash(registry.rule(rule_name)),
        plugin_source_hashes=_plugin_source_hashes(registry, spec) if spec else {},
    )


def _plugin_source_hashes(registry: Registry, spec: RunSpec) -> dict[str, str]:
    named = [("diagnostic", name) for name in spec.diagnostics.names]
    named += [
        ("architecture", network.builder)
        for network in (spec.architecture, spec.pretraining.architecture)
        if isinstance(network, PluginArchitecture)
    ]
    if isinstance(spec.dataset, PluginDataset):
        named.append(("dataset", spec.dataset.reader))
    return {
        f"{kind} {name}": source_hash(registry.table(kind)[name], origin.module)
        for kind, name in named
        if (origin := registry.origins.get((kind, name))) and not origin.is_builtin
    }
