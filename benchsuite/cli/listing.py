"""``benchsuite list``: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchsuite.cli.options import JsonOption, SpecsOption, library, output, print_json

if TYPE_CHECKING:
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.library import SpecLibrary

Section = Literal[
    "rules",
    "tracks",
    "suites",
    "experiments",
    "datasets",
    "architectures",
    "hardware",
    "reference",
    "claims",
    "diagnostics",
    "plugins",
]
SECTIONS: tuple[Section, ...] = (
    "rules",
    "tracks",
    "suites",
    "experiments",
    "datasets",
    "architectures",
    "hardware",
    "reference",
    "claims",
    "diagnostics",
    "plugins",
)


def list_(
    section: Annotated[Section | None, typer.Argument(help="Which kind of thing; all if not given.")] = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """List rules, tracks, suites, experiments, specs, published values, claims, diagnostics and plugins."""
    from benchsuite.registry.manager import installed_registry

    registry = installed_registry()
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    content = {name: _entries(name, registry, found) for name in ([section] if section else SECTIONS)}
    conflicts = {name: origins for (_, name), origins in registry.conflicts.items()}
    if as_json:
        print_json(
            {
                **content,
                "failed_plugins": [
                    {"plugin": f.origin.plugin, "distribution": f.origin.distribution, "reason": f.reason}
                    for f in registry.failures
                ],
                "refused_names": {name: [o.distribution for o in origins] for name, origins in conflicts.items()},
            }
        )
        return 0
    _show(content)
    console = output()
    for failure in registry.failures:
        origin = failure.origin
        console.print(f"left out: plugin {origin.plugin} ({origin.distribution}): {failure.reason}", markup=False)
    for name, origins in conflicts.items():
        both = " and ".join(str(origin) for origin in origins)
        console.print(f"refused: '{name}' is provided by {both}; uninstall one or rename it", markup=False)
    return 0


def _entries(section: Section, registry: Registry, found: SpecLibrary) -> list[dict[str, Any]]:
    if section == "rules":
        summaries = {name: _first_paragraph(rule.__doc__) for name, rule in registry.rules.items()}
        return _with_origins("rule", summaries, registry)
    if section == "diagnostics":
        summaries = {name: diagnostic.summary for name, diagnostic in registry.diagnostics.items()}
        return _with_origins("diagnostic", summaries, registry)
    if section == "plugins":
        states = [(origin, "works") for origin in registry.plugins.values()]
        states += [(failure.origin, failure.reason) for failure in registry.failures]
        return [
            {"name": origin.plugin, "summary": state, "from": f"{origin.distribution}, {origin.value}"}
            for origin, state in sorted(states, key=lambda pair: pair[0].plugin)
        ]
    return [{"name": e.name, "summary": _title(e.path), "from": str(e.path)} for e in found.entries(section)]


def _with_origins(kind: str, summaries: dict[str, str], registry: Registry) -> list[dict[str, Any]]:
    return [
        {"name": name, "summary": summary, "from": registry.origins[kind, name].distribution}
        for name, summary in sorted(summaries.items())
    ]


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _title(path: Path) -> str:
    from benchsuite.errors import SpecError
    from benchsuite.specs.loading.tree import read

    try:
        node = read(path)
    except SpecError as error:
        return f"broken: {error.problems[0].message}"
    for field in ("description", "title"):
        entry = node.get(field)
        if entry is not None:
            return " ".join(str(entry.value).split())
    return ""


def _show(content: dict[Section, list[dict[str, Any]]]) -> None:
    from rich.table import Table

    console = output()
    for section, entries in content.items():
        table = Table(
            title=section, title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False
        )
        table.add_column(no_wrap=True)
        table.add_column()
        for entry in entries:
            table.add_row("  " + entry["name"], entry["summary"])
        if not entries:
            table.add_row("  (none)", "")
        console.print(table)
        console.print()
