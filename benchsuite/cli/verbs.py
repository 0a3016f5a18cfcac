"""Verbs as typer shows them: examples in the help, plain flags, and the nearest choice when one is misspelt."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup, TyperOption

from benchsuite.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

# typer has its own copy of click, whose classes have no public names.
Context = Any
Parameter = Any

TYPES = {
    "<str>": "TEXT",
    "<list[str]>": "TEXT",
    "<path>": "PATH",
    "<list[Path]>": "PATH",
    "<int>": "N",
    "<int range>": "N",
    "<list[int]>": "N",
    "<float>": "N",
    "<float range>": "N",
}
"""Types as the help shows them, by typer's names."""

ALSO_CALLED = {
    "fast": "quick",
    "laptop": "quick",
    "short": "smoke",
    "test": "smoke",
    "tiny": "smoke",
    "full": "paper",
    "long": "paper",
    "published": "paper",
    "best": "tuned",
    "default": "published",
    "cuda": "gpu",
    "data": "datasets",
    "models": "architectures",
    "networks": "architectures",
    "papers": "reference",
    "experiments": "studies",
    "process": "inline",
}
"""Words that people try where there is a fixed choice."""

REFUSED_CHOICE = re.compile(r"(?:Value error, )?'(?P<given>.*)' is not one of (?P<choices>'.*')\.$", re.DOTALL)


def examples(*commands: str) -> str:
    """Return the end of a verb's help: commands to copy."""
    # The first character keeps typer from joining the lines.
    return "\n".join(["\bExamples:", *(f"  {escape(command)}" for command in commands)])


def _in_words(parameters: Sequence[Parameter], ctx: Context) -> Sequence[Parameter]:
    """Show types as a person would: ``--json``, ``--out PATH``, and choices that break between words."""
    for parameter in parameters:
        shown = str(parameter.display_type(ctx))
        if isinstance(parameter, TyperOption):
            if parameter.metavar is None:
                parameter.metavar = "" if parameter.is_flag else TYPES.get(shown)
        else:
            # An argument's metavar would replace its name too.
            words = TYPES.get(shown) or shown.strip("<>").replace("|", " | ")
            parameter.display_type_rich = lambda ctx, words=words: words
    return parameters


def with_whole_sentences(text: str | None) -> str | None:
    """Join the lines of a docstring that break within a sentence: typer's help keeps every break."""
    return text and re.sub(r"(?<=[^\n.:])\n(?=\S)", " ", inspect.cleandoc(text))


class Verb(TyperCommand):
    """A verb."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take a verb's docstring with its sentences whole."""
        super().__init__(*arguments, **options)
        self.help = with_whole_sentences(self.help)

    def get_params(self, ctx: Context) -> Any:
        """Return the parameters, as the help shows them."""
        return _in_words(super().get_params(ctx), ctx)


class Verbs(TyperGroup):
    """A group of verbs."""

    def get_params(self, ctx: Context) -> Any:
        """Return the group's own parameters, as the help shows them."""
        return _in_words(super().get_params(ctx), ctx)

    def invoke(self, ctx: Context) -> Any:
        """Run the verb; an error about a fixed choice gets the nearest one."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = with_nearest_choice(error.message)
            raise


def with_nearest_choice(message: str) -> str:
    """Return typer's message about a wrong choice with the nearest right one, other messages as they are."""
    found = REFUSED_CHOICE.match(message)
    if found is None:
        return message
    given, choices = found["given"], re.findall(r"'([^']*)'", found["choices"])
    meant = ALSO_CALLED.get(given.casefold(), "")
    hint = f"; did you mean '{meant}'?" if meant in choices else nearest(given, choices)
    return f"'{given}' is not one of {', '.join(choices)}{hint}"
