"""The runs that a user asks for: a target with rules, tier, seeds and overrides, and the hardware."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import PARTS, adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.overrides import Override, apply_override, parse_override
from benchsuite.specs.loading.tree import Mark
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.hardware import HardwareSpec


@dataclass(frozen=True)
class Selection:
    """The runs that a user asks for."""

    target: str
    """Name of a suite or a track, or the path of such a file."""
    rules: tuple[str, ...] = ()
    """Names or patterns of rules and variants. Default: the suite's rows; for a track, all installed rules and its own
    variants."""
    tier: Tier | None = None
    """Default: the suite's tier; 'quick' for a track."""
    seeds: tuple[int, ...] = ()
    """Seed indices. Default: the suite's seeds; 0 to 4 for a track."""
    overrides: tuple[str, ...] = ()
    """Overrides ``path=value``, applied last."""
    hardware: str = "auto"
    """Name of a hardware spec, or the path of its file."""

    def parsed_overrides(self) -> list[Override]:
        """Return the overrides; raises SpecError if the form of one is wrong."""
        return [parse_override(text, [*PARTS, "hardware", "rules"], "protocol.epochs=5") for text in self.overrides]


def selected_hardware(name: str, library: SpecLibrary, overrides: list[Override]) -> HardwareSpec:
    """Return the hardware spec of a name or a file, with overrides; 'auto' is left as it is.

    Raises:
        SpecError: if there is none, or it is wrong.

    """
    is_file = Path(name).suffix in {".yaml", ".yml"}
    node = library.load_file("hardware", Path(name)) if is_file else library.load("hardware", name, Mark("--hardware"))
    for override in overrides:
        if override.path[0] == "hardware":
            node = apply_override(node, override.path[1:], override.value)
    hardware, problems = check(adapter_of("hardware"), node, prefix="hardware", shape=HardwareSpec)
    if hardware is None:
        raise SpecError(problems, subject=f"hardware {name}")
    settled: HardwareSpec = hardware
    return settled
