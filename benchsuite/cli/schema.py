"""``benchsuite schema``: JSON Schema of every spec, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchsuite.cli.options import print_json

SchemaName = Literal[
    "dataset",
    "architecture",
    "protocol",
    "hardware",
    "track",
    "suite",
    "experiment",
    "reference",
    "claim",
    "run",
    "record",
    "experiment_record",
    "rule_audit",
]


def schema(
    name: Annotated[SchemaName | None, typer.Argument(help="Which one; all in one object if not given.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write one file each into this folder instead.")] = None,
) -> int:
    """Print the JSON Schema of specs and records, as editors use it to complete and check YAML."""
    schemas = _schemas()
    chosen = {name: schemas[name]} if name else schemas
    if out is None:
        print_json(chosen[name] if name else chosen)
        return 0
    import json

    from benchsuite.records.atomic import write_text_atomically

    for key, value in chosen.items():
        path = out / f"{key}.schema.json"
        write_text_atomically(path, json.dumps(value, indent=2, sort_keys=True) + "\n")
        typer.echo(path)
    return 0


def _schemas() -> dict[str, Any]:
    from pydantic import TypeAdapter

    from benchsuite.records.audit import RuleAudit
    from benchsuite.records.experiment import ExperimentRecord
    from benchsuite.records.model import RunRecord
    from benchsuite.specs.loading.kinds import SPEC_KINDS
    from benchsuite.specs.models.protocol import ProtocolSpec
    from benchsuite.specs.models.track import RunSpec

    shapes: dict[str, Any] = {
        **{kind.singular: kind.model for kind in SPEC_KINDS.values()},
        "protocol": ProtocolSpec,
        "run": RunSpec,
        "record": RunRecord,
        "experiment_record": ExperimentRecord,
        "rule_audit": RuleAudit,
    }
    schemas = {name: TypeAdapter(shape).json_schema() for name, shape in shapes.items()}
    files = [kind.singular for kind in SPEC_KINDS.values()]
    for name in files:
        _as_written(schemas[name])
    track = schemas["track"]["properties"]
    first = schemas["track"]["$defs"]["PretrainingSpec"]["properties"]
    # In a file, a name stands for a whole spec, and 'extends' for all that is not written.
    for properties, part in ((track, "dataset"), (track, "architecture"), (first, "architecture")):
        by_name = {"type": "string", "description": f"Name of a {part} spec."}
        properties[part] = {"anyOf": [by_name, properties[part], _needs_extends(_partial(properties[part]))]}
    for name in (name for name in files if name != "experiment"):
        schemas[name] = _may_extend(schemas[name])
    return schemas


def _as_written(found: dict[str, Any]) -> None:
    """Allow for what the loader adds or takes away: the name (from the file's) and 'extends'."""
    models = [found, *found.get("$defs", {}).values()]
    for model in models:
        properties = model.get("properties", {})
        if "name" in properties and "title" in properties:
            model["required"] = [n for n in model.get("required", []) if n != "name"]
            properties["extends"] = {"type": "string", "description": "Name of a spec of this kind to build on."}


def _may_extend(found: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also takes a file with 'extends', which may leave any field to the spec it builds on."""
    definitions = found.pop("$defs", {})
    partial = {f"Partial{name}": _partial(definition) for name, definition in definitions.items()}
    return {"anyOf": [found, _needs_extends(_partial(found))], "$defs": {**definitions, **partial}}


def _needs_extends(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "required": ["extends"]}


def _partial(found: Any) -> Any:
    """Return a copy of a schema in which no field is required, all the way down."""
    if isinstance(found, list):
        return [_partial(member) for member in found]
    if not isinstance(found, dict):
        return found
    if isinstance(found.get("$ref"), str):
        name = found["$ref"].removeprefix("#/$defs/").removeprefix("Partial")
        return {**found, "$ref": f"#/$defs/Partial{name}"}
    # Without its 'kind' a mapping may be several of the choices.
    kept = {key: value for key, value in found.items() if key not in {"required", "discriminator"}}
    return {"anyOf" if key == "oneOf" else key: _partial(value) for key, value in kept.items()}
