"""Pages of every field that a spec or a record may have, from their JSON Schemas."""

from __future__ import annotations

from typing import Any

from reference.ask import ask, one_line, table

SPECS = ("track", "suite", "dataset", "architecture", "protocol", "hardware", "study", "reference", "claim", "run")
RECORDS = ("record", "study_record", "rule_audit")

Schema = dict[str, Any]


def specs_page() -> str:
    """Return the page of specs."""
    head = """# Spec fields

Every field of every spec file, generated from the models that check them. `benchsuite schema --out DIR` writes the same
as JSON Schema, for editors that complete YAML.

A spec may begin with `extends: NAME`; what it does not say it then takes from that spec. See
[Specs and tiers](../concepts/specs.md).

"""
    return head + _sections(SPECS)


def records_page() -> str:
    """Return the page of records."""
    head = """# Record schema

Every field of a run's record, of a study's record and of an audit, generated from the models that read and write
them. Errors are fractions from 0 to 1. `spec` is a [run](specs.md#run).

`benchsuite schema record` prints the JSON Schema.

"""
    return head + _sections(RECORDS, known=_definitions(SPECS))


def _sections(names: tuple[str, ...], known: dict[str, Schema] | None = None) -> str:
    found = _definitions(names)
    schemas = ask("schema")
    text = "".join(_section(name, _own(schemas[name]), found, known) for name in names)
    others = {title: schema for title, schema in found.items() if title not in (known or {})}
    text += "".join(_section(title, schema, found, known) for title, schema in sorted(others.items()))
    return text


def _definitions(names: tuple[str, ...]) -> dict[str, Schema]:
    """Return the models that the named schemas are made of, by title; those for `extends` are left out."""
    schemas = ask("schema")
    found: dict[str, Schema] = {}
    for name in names:
        found |= {k: v for k, v in schemas[name].get("$defs", {}).items() if not k.startswith("Partial")}
    return {title: schema for title, schema in found.items() if title not in {"RunSpec", "RunRecord"}}


def _own(schema: Schema) -> Schema:
    """Return the schema of a whole file, not of one that extends another."""
    first: Schema = schema["anyOf"][0] if "anyOf" in schema and "$defs" in schema else schema
    return first


def _section(name: str, schema: Schema, found: dict[str, Schema], known: dict[str, Schema] | None) -> str:
    text = f"## {name.replace('_', ' ')} {{ #{name.lower()} }}\n\n"
    description = schema.get("description", "")
    if description:
        text += description.replace("``", "`") + "\n\n"
    if "properties" not in schema:
        return text + f"{_type(schema, found, known)}\n\n"
    required = set(schema.get("required", ()))
    rows = [
        (
            f"`{field}`",
            _type(content, found, known),
            "**required**" if field in required else _default(content),
            one_line(content.get("description", "")),
        )
        for field, content in schema["properties"].items()
        if field != "extends"
    ]
    return text + table(("field", "type", "default", "meaning"), rows) + "\n"


def _default(content: Schema) -> str:
    if "default" not in content or isinstance(content["default"], dict):
        return ""
    value = content["default"]
    if value is None or value == "" or value == []:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(content: Any, found: dict[str, Schema], known: dict[str, Schema] | None) -> str:
    if not isinstance(content, dict):
        return "anything"
    if "$ref" in content:
        title = content["$ref"].rpartition("/")[2]
        if title.startswith("Partial"):
            return ""
        page = "specs.md" if title in (known or {}) or (known is not None and title == "RunSpec") else ""
        anchor = "run" if title == "RunSpec" else title.lower()
        return f"[{title}]({page}#{anchor})" if title in found or page else title
    for key in ("anyOf", "oneOf"):
        if key in content:
            several = [_type(one, found, known) for one in content[key] if "extends" not in one.get("required", ())]
            return " or ".join(dict.fromkeys(one for one in several if one))
    if "enum" in content:
        return " \\| ".join(f"`{value}`" for value in content["enum"])
    if "const" in content:
        return f"`{content['const']}`"
    return _plain(content, found, known)


def _plain(content: Schema, found: dict[str, Schema], known: dict[str, Schema] | None) -> str:
    match content.get("type"):
        case "array":
            inner = _type(content["items"], found, known) if "items" in content else "values"
            return f"list of {inner}"
        case "object":
            values = content.get("additionalProperties")
            return f"mapping to {_type(values, found, known)}" if isinstance(values, dict) and values else "mapping"
        case None:
            return "anything"
        case name:
            return f"{_names().get(str(name), str(name))}{_bounds(content)}"


def _names() -> dict[str, str]:
    return {"string": "text", "integer": "integer", "boolean": "true or false", "null": "null", "number": "number"}


def _bounds(content: Schema) -> str:
    signs = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    bounds = [f"{sign} {content[key]:g}" for key, sign in signs if key in content]
    return f" {', '.join(bounds)}" if bounds else ""
