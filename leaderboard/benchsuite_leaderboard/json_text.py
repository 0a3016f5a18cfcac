"""Write data as the JSON inside a page."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from pydantic_core import to_json

NOT_COMPACT = ("NaN", "Infinity", "\u2028", "\u2029")
"""Texts that ``compact_json`` leaves to the slower writer."""


def compact_json(value: Any) -> str:
    """Return data as JSON without spaces; U+2028 and U+2029, which end a line of a script, are escaped.

    Raises:
        ValueError: if a number is not finite.

    """
    with contextlib.suppress(ValueError):  # half a character, which UTF-8 does not have
        text = to_json(value).decode()
        if not any(each in text for each in NOT_COMPACT):
            return text
    # The slower writer has the checks, and writes ASCII alone.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def script_json(value: Any) -> Markup:
    """Return data as JSON for a script element, with <, >, & and ' escaped as the filter ``tojson`` does."""
    return htmlsafe_json_dumps(value, dumps=compact_json)
