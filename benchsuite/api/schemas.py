"""JSON Schemas of specs and records, for editors that complete and check YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, TypeAdapter, create_model

from benchsuite.api.names import SchemaName
from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.files import write_text_atomically
from benchsuite.records.reading import MODELS
from benchsuite.records.study import StudyRecord
from benchsuite.registry import manager
from benchsuite.specs.field_descriptions import DescribedFields
from benchsuite.specs.loading.kinds import SPEC_KINDS
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.study import AnyStudySpec
from benchsuite.specs.models.track import RunSpec

if TYPE_CHECKING:
    from benchsuite.api.options import PathLike


def schemas() -> dict[str, Any]:
    """Return the JSON Schema of every kind of spec and record, by name.

    Example:
        >>> import benchsuite as bs
        >>> sorted(bs.schemas())[:3]
        ['architecture', 'claim', 'dataset']

    """
    studies = manager.installed_registry().studies.values()
    files = {kind.singular: kind.model for kind in SPEC_KINDS.values()}
    files["study"] = _any_of(study.Spec for study in studies) if studies else AnyStudySpec
    shapes: dict[str, Any] = {
        **files,
        "protocol": ProtocolSpec,
        "run": RunSpec,
        **MODELS,
        "study_record": _study_record(studies) if studies else StudyRecord,
    }
    found = {name: TypeAdapter(shape).json_schema(schema_generator=DescribedFields) for name, shape in shapes.items()}
    for name in files:
        _as_written(found[name])
    track = found["track"]["properties"]
    definitions = found["track"]["$defs"]
    definitions["VariantSpec"] = found["suite"]["$defs"]["VariantSpec"]
    for model in (found["track"], definitions["TierChanges"]):
        by_name = model["properties"]["rules"]
        listed = {"type": "array", "items": {"$ref": "#/$defs/VariantSpec"}, "minItems": 1}
        model["properties"]["rules"] = {"anyOf": [by_name, listed], "description": by_name.pop("description", "")}
    first = definitions["PretrainingSpec"]["properties"]
    # In a file, a name can replace a whole spec, and 'extends' supplies all fields that are left out.
    for properties, part in ((track, "dataset"), (track, "architecture"), (first, "architecture")):
        by_name = {"type": "string", "description": f"Name of a {part} spec."}
        properties[part] = {"anyOf": [by_name, properties[part], _needs_extends(_partial(properties[part]))]}
    for name in files:
        found[name] = _may_extend(found[name])
    return {name: found[name] for name in get_args(SchemaName)}


def _any_of(models: Iterable[type[BaseModel]]) -> Any:
    return reduce(or_, models)


def _study_record(studies: Iterable[Any]) -> type[StudyRecord]:
    """Return the model of a study's record with the specs and results of the installed kinds spelt out."""
    specs, results = (_any_of(getattr(each, part) for each in studies) for part in ("Spec", "Result"))
    spelt_out: dict[str, Any] = {"spec": (specs, ...), "result": (results, ...)}
    return create_model("StudyRecord", __base__=StudyRecord, __doc__=StudyRecord.__doc__, **spelt_out)


def write_schemas(out: PathLike, names: list[str] | None = None) -> list[Path]:
    """Write schemas as files ``<name>.schema.json``.

    Args:
        out: folder to write to; created if missing.
        names: names of schemas; all if not given.

    Returns:
        The files written.

    Raises:
        SpecError: if a name has no schema.
        StoreError: if the folder cannot be written.

    """
    found = schemas()
    unknown = [Problem(f"no schema '{name}'{nearest(name, found)}") for name in names or () if name not in found]
    if unknown:
        raise SpecError(unknown)
    written = []
    for name in names or found:
        written.append(Path(out) / f"{name}.schema.json")
        write_text_atomically(written[-1], json.dumps(found[name], indent=2, sort_keys=True) + "\n")
    return written


def _as_written(found: dict[str, Any]) -> None:
    """Adapt a schema to the loader, which adds the name (the file's) and removes 'extends'."""
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
    """Return a copy of a schema in which no field is required, at any depth."""
    if isinstance(found, list):
        return [_partial(member) for member in found]
    if not isinstance(found, dict):
        return found
    if isinstance(found.get("$ref"), str):
        name = found["$ref"].removeprefix("#/$defs/").removeprefix("Partial")
        return {**found, "$ref": f"#/$defs/Partial{name}"}
    # Without its 'kind' a mapping may match several of the choices.
    fields = {key: value for key, value in found.items() if key not in {"required", "discriminator"}}
    return {"anyOf" if key == "oneOf" else key: _partial(value) for key, value in fields.items()}
