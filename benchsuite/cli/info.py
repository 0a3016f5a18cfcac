"""``benchsuite info NAME``: everything about one rule, track, suite, data set and so on, published values included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsuite.cli.options import JsonOption, SpecsOption, library, output, print_json

if TYPE_CHECKING:
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.library import SpecLibrary


def info(
    name: Annotated[str, typer.Argument(help="What `benchsuite list` shows.")],
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show everything about one rule, track, suite, experiment, data set, architecture, hardware or diagnostic."""
    from benchsuite.errors import Problem, SpecError, nearest
    from benchsuite.registry.manager import installed_registry
    from benchsuite.specs.loading.kinds import KINDS

    registry = installed_registry()
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    entries = _everything_named(name, registry, found)
    if not entries:
        known = [*registry.rules, *registry.diagnostics, *(n for kind in KINDS for n in found.names(kind))]
        raise SpecError([Problem(f"nothing is called '{name}'{nearest(name, known)} (`benchsuite list` shows all)")])
    if as_json:
        print_json(entries)
        return 0
    import yaml

    console = output()
    for kind, content in entries.items():
        console.print(f"[bold]{kind} {name}[/]")
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        console.print(text, markup=False, soft_wrap=True)
    return 0


def _everything_named(name: str, registry: Registry, found: SpecLibrary) -> dict[str, Any]:
    from benchsuite.errors import SpecError
    from benchsuite.specs.loading.kinds import KINDS, SINGULAR

    entries: dict[str, Any] = {}
    if name in registry.rules or ("rule", name) in registry.conflicts:
        entries["rule"] = _rule(name, registry)
    if name in registry.diagnostics:
        diagnostic = registry.diagnostics[name]
        entries["diagnostic"] = {
            "summary": diagnostic.summary,
            "from": str(registry.origins["diagnostic", name]),
        }
    for kind in KINDS:
        if name in found.names(kind):
            try:
                node = found.load(kind, name)
            except SpecError as error:
                entries[SINGULAR[kind]] = {"problems": [str(p) for p in error.problems]}
                continue
            entries[SINGULAR[kind]] = {"file": str(found.find(kind, name)), **node.plain()}
    published = _published(name, found) if name in found.names("tracks") else []
    if published:
        entries["published values on"] = published
    return entries


def _published(track: str, found: SpecLibrary) -> list[dict[str, Any]]:
    """Return what is published of the rules on a track, as the reference specs have it."""
    from benchsuite.papers.published import load_references

    return [
        {
            **entry.model_dump(mode="json", exclude={"track"}, exclude_defaults=True),
            "tier": reference.tier,
            "runs": reference.runs_of(entry),
            "source": reference.source,
        }
        for reference in load_references(found)
        for entry in reference.entries
        if entry.track == track
    ]


def _rule(name: str, registry: Registry) -> dict[str, Any]:
    rule = registry.rule(name)
    hyperparameters = {
        field: {
            "default": info.get_default(call_default_factory=True) if not info.is_required() else "required",
            "type": str(info.annotation).replace("typing.", ""),
            "meaning": info.description or "",
        }
        for field, info in rule.Config.model_fields.items()
    }
    traits = rule.traits.model_dump(mode="json")
    return {
        "summary": " ".join((rule.__doc__ or "").split()),
        "from": str(registry.origins["rule", name]),
        "hyperparameters": hyperparameters or "none",
        "traits": traits,
    }
