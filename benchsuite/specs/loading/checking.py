"""Turn pydantic's errors into problems with a place, the value found and the nearest valid choice."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from benchsuite.errors import Problem, nearest
from benchsuite.specs.loading.tree import Node

T = TypeVar("T")


def check(adapter: TypeAdapter[T], node: Node, prefix: str = "", shape: Any = None) -> tuple[T | None, list[Problem]]:
    """Validate a spec tree against a model.

    Args:
        adapter: the type adapter of the expected model.
        node: the tree to validate.
        prefix: path of the node in the file, for messages.
        shape: the type behind the adapter, for naming its fields in messages.

    Returns:
        The model and no problems, or None and all problems.

    """
    try:
        return adapter.validate_python(node.plain()), []
    except ValidationError as error:
        items = error.errors(include_url=False)
        return None, [_problem(item, node, prefix, shape) for item in items]


def _problem(item: Any, root: Node, prefix: str, shape: Any) -> Problem:
    location: tuple[Any, ...] = item["loc"]
    steps = list(root.along(location))
    node = steps[-1][1] if steps else root
    path = [str(step) for step, _ in steps]
    mark, message = node.mark, str(item["msg"])
    found = item.get("input")
    match item["type"]:
        case "missing":
            path.append(str(location[-1]))
            message = "required, missing"
        case "extra_forbidden":
            parent = ([root] + [n for _, n in steps])[-2]
            mark = parent.keys.get(str(location[-1]), node.mark)
            message = f"unknown{_hint(shape, location)}"
        case "union_tag_invalid":
            tag_node = node.get("kind") or node
            path.append("kind")
            choices = str(item["ctx"]["expected_tags"]).replace("'", "").split(", ")
            mark = tag_node.mark
            message = (
                f"no kind '{item['ctx']['tag']}'{nearest(str(item['ctx']['tag']), choices)}; expected {_or(choices)}"
            )
        case "union_tag_not_found":
            path.append("kind")
            message = "required, missing"
        case "literal_error":
            choices = [str(c) for c in _literal_choices(str(item["ctx"]["expected"]))]
            message = f"found {found!r}, expected {_or(choices)}{nearest(str(found), choices)}"
        case "model_type" | "dict_type" | "model_attributes_type":
            message = f"expected a mapping, found {_named(found)}"
        case "tuple_type" | "list_type":
            message = f"expected a list, found {_named(found)}"
        case "string_pattern_mismatch":
            message = f"found {found!r}, expected text like {item['ctx']['pattern']}"
        case _ if isinstance(found, str | int | float | bool | type(None)):
            message = f"{message[:1].lower()}{message[1:]}, found {found!r}"
        case _:
            message = message[:1].lower() + message[1:]
    return mark.problem(message, ".".join(p for p in [prefix, *path] if p))


def _hint(shape: Any, location: tuple[Any, ...]) -> str:
    """Return what an unknown field may be meant for: the nearest one, one of its name a level below, or all of them."""
    *above, name = location
    known = sorted(_fields_at(shape, tuple(above)))
    inside = [f"{field}.{name}" for field in known if str(name) in _fields_at(shape, (*above, field))]
    all_of_them = f"; known here: {', '.join(known)}" if known else ""
    return nearest(str(name), known) or (f"; did you mean '{inside[0]}'?" if inside else all_of_them)


def _literal_choices(expected: str) -> list[str]:
    return [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]


def _or(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _named(value: Any) -> str:
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case None:
            return "nothing"
        case str():
            return f"the text {value!r}"
        case _:
            return repr(value)


def _fields_at(shape: Any, location: tuple[Any, ...]) -> set[str]:
    """Return the field names of the model at a location."""
    shapes = [shape]
    for step in location:
        shapes = [inner for s in shapes for inner in _step(s, step)]
    return {name for s in shapes for model in models_of(s) for name in _written_names(model)}


def _written_names(model: type[BaseModel]) -> Iterator[str]:
    return (field.alias or name for name, field in model.model_fields.items())


def _step(shape: Any, step: Any) -> Iterator[Any]:
    for model in models_of(shape):
        if step in model.model_fields:
            yield model.model_fields[step].annotation
        elif step == "spelt_out" or step in tags_of(model):
            yield model
    origin = get_origin(_bare(shape))
    if isinstance(step, int) and origin in {list, tuple}:
        yield get_args(_bare(shape))[0]
    if origin in {dict, Mapping}:
        yield get_args(_bare(shape))[1]


def tags_of(model: type[BaseModel]) -> tuple[Any, ...]:
    """Return what may stand after ``kind:`` where a model is one choice of several."""
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind is not None and get_origin(kind.annotation) is Literal else ()


def models_of(shape: Any) -> Iterator[type[BaseModel]]:
    """Return the models that a type is a choice of."""
    shape = _bare(shape)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        yield shape
    elif get_origin(shape) in {Union, types.UnionType}:
        for inner in get_args(shape):
            yield from models_of(inner)


def _bare(shape: Any) -> Any:
    return get_args(shape)[0] if get_origin(shape) is Annotated else shape
