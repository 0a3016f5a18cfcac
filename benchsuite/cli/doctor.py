"""``benchsuite doctor``: versions, devices, data sets and plugins, with what is wrong."""

from __future__ import annotations

from typing import Any

from benchsuite.cli.options import DataRootOption, JsonOption, SpecsOption, data_root, library, output, print_json

DEPENDENCIES = ("torch", "torchvision", "pydantic", "pluggy", "mlflow", "numpy", "scikit-learn", "scipy")


def doctor(data: DataRootOption = None, specs: SpecsOption = None, as_json: JsonOption = False) -> int:
    """Show versions, devices, data sets found and missing, plugins loaded and failed. Exit code 1 on any problem."""
    from benchsuite.cli.data import dataset_states
    from benchsuite.registry.manager import installed_registry

    registry = installed_registry()
    root = data_root(data)
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    report: dict[str, Any] = {
        "versions": _versions(),
        "devices": _devices(),
        "data_root": str(root),
        "datasets": dataset_states(found, root),
        "plugins": {origin.plugin: f"{origin.distribution}, {origin.value}" for origin in registry.plugins.values()},
        "problems": [f"plugin {f.origin} was left out: {f.reason}" for f in registry.failures]
        + [
            f"{kind} '{name}' is provided by {' and '.join(str(o) for o in owners)}; uninstall one or rename it"
            for (kind, name), owners in registry.conflicts.items()
        ],
    }
    if as_json:
        print_json(report)
    else:
        _show(report)
    return 1 if report["problems"] else 0


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("benchsuite", *DEPENDENCIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _devices() -> list[str]:
    import torch

    from benchsuite.specs.models.hardware import HardwareSpec
    from benchsuite.training.device import open_device

    cpu = open_device(HardwareSpec(name="cpu", device="cpu")).used
    found = [f"cpu: {cpu.device_name}, {cpu.threads} threads, {cpu.memory_gib:.0f} GiB"]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found.append(f"cuda:{index}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _show(report: dict[str, Any]) -> None:
    console = output()

    def section(title: str, lines: list[str]) -> None:
        console.print(f"[bold]{title}[/]")
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)

    section("versions", [f"{name} {version}" for name, version in report["versions"].items()])
    section("devices", report["devices"])
    section(
        f"data sets in {report['data_root']}",
        [f"{'found  ' if d['found'] else 'missing'} {name}: {d['detail']}" for name, d in report["datasets"].items()],
    )
    section("plugins", [f"{name}: {origin}" for name, origin in report["plugins"].items()])
    section("problems", report["problems"] or ["none"])
