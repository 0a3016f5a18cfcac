"""A page for each rule: what it needs, what it claims, its hyperparameters and its source code."""

from __future__ import annotations

import inspect
from typing import Any

from reference.ask import ask, one_line, table

from benchsuite.registry.manager import installed_registry


def pages() -> dict[str, str]:
    """Return the pages by path: an index, one page for each rule, and the navigation."""
    entries = ask("list", "rules", "--json")["rules"]
    found = {"reference/rules/index.md": _index(entries)}
    found |= {f"reference/rules/{entry['name']}.md": _page(entry["name"]) for entry in entries}
    links = "".join(f"- [{entry['name']}]({entry['name']}.md)\n" for entry in entries)
    return found | {"reference/rules/SUMMARY.md": f"- [All rules](index.md)\n{links}"}


def _index(entries: list[dict[str, Any]]) -> str:
    rows = []
    for entry in entries:
        traits = ask("info", entry["name"], "--json")["rule"]["traits"]
        rows.append(
            (
                f"[`{entry['name']}`]({entry['name']}.md)",
                one_line(entry["summary"]),
                traits["mechanism"].replace("_", " "),
                ", ".join(traits["forms"]),
            )
        )
    text = """# Rules

Every installed rule, generated from the rules themselves. A rule that cannot work in a network is refused with the
reason: `benchsuite plan TRACK` shows it before anything runs.

"""
    return text + table(("rule", "how credit reaches a hidden segment", "mechanism", "networks"), rows)


def _page(name: str) -> str:
    rule = ask("info", name, "--json")["rule"]
    traits = dict(rule["traits"])
    source = traits.pop("source")
    text = f"# {name}\n\n{rule['summary'].replace('``', '`')}\n\nPublished: {source}\n\n## Hyperparameters\n\n"
    parameters = rule["hyperparameters"]
    if isinstance(parameters, dict):
        rows = [
            (f"`{field}`", f"`{one_line(_shown(entry['default']))}`", one_line(entry["meaning"]))
            for field, entry in parameters.items()
        ]
        text += table(("field", "default", "meaning"), rows)
        first, entry = next(iter(parameters.items()))
        text += "\nA track sets them under `rules`:\n\n"
        text += f"```yaml\nrules:\n  {name}:\n    config: {{{first}: {_shown(entry['default'])}}}\n```\n"
    else:
        text += "None.\n"
    text += "\n## Traits\n\nWhat it needs of a network, then what it declares of itself;"
    text += " [the audit](../../concepts/claims.md#the-audit) tests what it declares.\n\n"
    text += table(("trait", "value"), [(f"`{key}`", _trait(value)) for key, value in traits.items()])
    code = inspect.getsource(inspect.getmodule(installed_registry().rule(name)) or object)
    indented = "".join(f"    {line}" if line.strip() else line for line in code.splitlines(keepends=True))
    return text + f'\n## Source code\n\n??? quote "The whole rule"\n\n    ```python\n{indented}    ```\n'


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _trait(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "any"
    return ", ".join(value) if isinstance(value, list) else str(value).replace("_", " ")
