"""Check this installation: versions, devices, data sets and plugins, with their problems."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from rich.text import Text

from benchsuite.api.datasets import DatasetStates, dataset_states
from benchsuite.api.display import Displayed, Part, counted
from benchsuite.api.options import PathLike, Paths
from benchsuite.api.workspace import Workspace, open_workspace
from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.kinds import KINDS, SINGULAR
from benchsuite.specs.loading.library import Entry, builtin_folder
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import open_device

DEPENDENCIES = ("torch", "torchvision", "pydantic", "pluggy", "mlflow", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Installation(Displayed):
    """State of this installation.

    Attributes:
        versions: versions of Python and of important packages.
        devices: one line per device.
        datasets: availability of each data set on this machine.
        plugins: origin of each plugin.
        problems: plugins that were left out, names that two plugins provide, and spec files that cannot be used: of
            published values, claims, and everything in folders that are not the suite's own.

    """

    versions: Mapping[str, str]
    devices: Sequence[str]
    datasets: DatasetStates
    plugins: Mapping[str, str]
    problems: Sequence[str]

    def parts(self) -> Sequence[Part]:
        """Return what is wrong, then devices, versions, data sets and plugins, and last a line that sums up."""
        found = [name for name, state in self.datasets.items() if state.found]
        missing = [name for name, state in self.datasets.items() if not state.found]
        origins: dict[str, list[str]] = {}
        for name, origin in self.plugins.items():
            origins.setdefault(origin.partition(", ")[0], []).append(name)
        sections = {
            "problems": self.problems,
            "devices": self.devices,
            "versions": ["  ".join(f"{name} {found}" for name, found in self.versions.items())],
            f"data sets in {self.datasets.data_root}": [
                f"found: {', '.join(found) or 'none'}",
                *([f"missing: {', '.join(missing)} (`benchsuite data list` says how to get them)"] if missing else []),
            ],
            "plugins": [f"{origin}: {', '.join(names)}" for origin, names in origins.items()],
        }
        parts: list[Part] = []
        for title, lines in sections.items():
            if lines:
                style = "bold red" if title == "problems" else "bold"
                parts += [Text(title, style=style), *(f"  {line}" for line in lines), ""]
        problems = counted(len(self.problems), "problem") if self.problems else "no problems"
        plugins = counted(len(self.plugins), "plugin")
        return [*parts, f"{problems}, {plugins}, {len(found)} of {counted(len(self.datasets), 'data set')} found"]

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite doctor --json`` prints it."""
        return {
            "versions": dict(self.versions),
            "devices": list(self.devices),
            **self.datasets.as_data(),
            "plugins": dict(self.plugins),
            "problems": list(self.problems),
        }


def doctor(*, data_root: PathLike | None = None, specs: Paths = None) -> Installation:
    """Check versions, devices, data sets, plugins and spec files.

    Args:
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.

    Example:
        >>> import benchsuite as bs
        >>> installation = bs.doctor()
        >>> installation.datasets["digits"].found, installation.problems
        (True, [])

    """
    workspace = open_workspace(specs)
    registry = workspace.registry
    return Installation(
        versions=_versions(),
        devices=_devices(),
        datasets=dataset_states(data_root=data_root, specs=specs),
        plugins={origin.plugin: f"{origin.distribution}, {origin.value}" for origin in registry.plugins.values()},
        problems=[*registry.problems(), *_broken_specs(workspace)],
    )


def _broken_specs(workspace: Workspace) -> list[str]:
    """Return the problems of spec files that a listing or a site would leave out; the suite's own tracks take long."""
    own = builtin_folder().resolve()
    entries = [entry for kind in KINDS for entry in workspace.library.entries(kind)]
    wanted = [e for e in entries if e.kind in {"reference", "claims"} or not e.path.is_relative_to(own)]
    return [
        f"{SINGULAR[entry.kind]} '{entry.name}': {problem}"
        for entry in wanted
        for problem in _problems(entry, workspace)
    ]


def _problems(entry: Entry, workspace: Workspace) -> list[Problem]:
    try:
        path = workspace.library.find(entry.kind, entry.name)
    except SpecError as error:  # two files of one name
        return error.problems
    return check_file(path, workspace.library, workspace.registry)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("benchsuite", *DEPENDENCIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _devices() -> list[str]:
    cpu = open_device(HardwareSpec(name="cpu", device="cpu")).used
    found = [f"cpu: {cpu.device_name}, {counted(cpu.threads, 'thread')}, {cpu.memory_gib:.0f} GiB"]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found.append(f"cuda:{index}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
