"""Fill templates and write them as the files of a new project; nothing is written if a file is there already."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from benchsuite.errors import Problem, SpecError
from benchsuite.files import write_text_atomically


def write_templates(
    folder: Path, templates: Mapping[str, str | None], values: Mapping[str, str], subject: str
) -> list[Path]:
    """Write the files of a project.

    Args:
        folder: the project's; made if it is not there.
        templates: name of the template by path in the project; None for an empty file. Paths and names are filled too.
        values: by name of the placeholder.
        subject: what is made, for messages.

    Returns:
        The files written.

    Raises:
        SpecError: if a file is there already; nothing is written then.
        StoreError: if the folder cannot be written.

    """
    contents = {
        folder / _filled(path, values): _content(template and _filled(template, values), values)
        for path, template in templates.items()
    }
    there = [path for path in contents if path.exists()]
    if there:
        message = "exists already; move it away, or give another name or --folder"
        raise SpecError([Problem(message, file=str(path)) for path in there], subject)
    for path, content in contents.items():
        write_text_atomically(path, content)
    return list(contents)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)


def _content(template: str | None, values: Mapping[str, str]) -> str:
    if template is None:
        return ""
    text = files("benchsuite.registry.scaffold").joinpath("templates", template).read_text(encoding="utf-8")
    return _filled(text, values)
