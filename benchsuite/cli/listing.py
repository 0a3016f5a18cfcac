"""``benchsuite list``: what there is, answered without importing torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchsuite.cli.options import JsonOption, SpecsOption, library, output, print_json

if TYPE_CHECKING:
    from benchsuite.registry.catalog import Catalog
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
    from benchsuite.registry.catalog import read_catalog

    catalog = read_catalog()
    folders = [Path(folder) for plugin in catalog.plugins for folder in plugin.spec_folders]
    found = library(specs, plugin_folders=folders)
    content = {name: _entries(name, catalog, found) for name in ([section] if section else SECTIONS)}
    failures = [p for p in catalog.plugins if p.failure]
    conflicts = {**catalog.conflicts("rules"), **catalog.conflicts("diagnostics")}
    if as_json:
        print_json(
            {
                **content,
                "failed_plugins": [
                    {"plugin": p.plugin, "distribution": p.distribution, "reason": p.failure} for p in failures
                ],
                "refused_names": {name: [p.distribution for p in owners] for name, owners in conflicts.items()},
            }
        )
        return 0
    _show(content)
    console = output()
    for plugin in failures:
        console.print(f"left out: plugin {plugin.plugin} ({plugin.distribution}): {plugin.failure}", markup=False)
    for name, owners in conflicts.items():
        both = " and ".join(f"{p.plugin} ({p.distribution}, {p.value})" for p in owners)
        console.print(f"refused: '{name}' is provided by {both}; uninstall one or rename it", markup=False)
    return 0


def _entries(section: Section, catalog: Catalog, found: SpecLibrary) -> list[dict[str, Any]]:
    if section in {"rules", "diagnostics"}:
        return [
            {"name": name, "summary": summary, "from": owner.distribution}
            for name, (summary, owner) in catalog.named(section).items()
        ]
    if section == "plugins":
        return [
            {"name": p.plugin, "summary": p.failure or "works", "from": f"{p.distribution}, {p.value}"}
            for p in catalog.plugins
        ]
    return [
        {"name": e.name, "summary": _title(e.path), "from": str(e.path)}
        for e in found.entries(section)  # type: ignore[arg-type]
    ]


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
