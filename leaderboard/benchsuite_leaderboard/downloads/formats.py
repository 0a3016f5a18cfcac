"""Write any table of the site as a file: CSV and JSON in full precision, LaTeX and Markdown as on the page."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import pydantic_core

from benchsuite.results.formatting import shown

Value = str | float | int | bool | None

KINDS = ("csv", "json", "tex", "md")
"""File extensions of the four formats."""

BEST_NOTE = (
    "Bold: the lowest error, and those that the paired 95 % interval does not tell apart from it. "
    "± is the standard deviation over seeds."
)
"""Below a printed table with marks."""

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "−": "$-$",
        "–": "--",
        "×": r"$\times$",
        "≤": r"$\le$",
        "<": r"$<$",
        ">": r"$>$",
        "°": r"$^\circ$",
        "δ": r"$\delta$",
        "ε": r"$\varepsilon$",
        "ᵀ": r"$^\top$",
        "₁": r"$_1$",
        "₀": r"$_0$",
        "‖": r"$\|$",
        "²": r"$^2$",
        "\n": " ",
    }
)
NO_COLUMNS: frozenset[int] = frozenset()
# Not tabs and line ends, which CSV quotes.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


@dataclass(frozen=True)
class DataTable:
    """One table, both as data and as printed."""

    title: str
    columns: tuple[str, ...]
    """Column names with their units; errors and gaps are fractions."""
    rows: tuple[tuple[Value, ...], ...]
    printed_columns: tuple[str, ...]
    printed_rows: tuple[tuple[str, ...], ...]
    """The first cell names the row, the others are numbers or short words; errors in per cent."""
    best: frozenset[tuple[int, int]] = frozenset()
    """Row and column of printed cells to mark as the best, or not told apart from it."""


def as_files(table: DataTable, path: str) -> Iterator[tuple[str, str]]:
    """Yield the table's four files as (path, text); the argument ``path`` has no extension."""
    for kind, write in (("csv", to_csv), ("json", to_json), ("tex", to_latex), ("md", to_markdown)):
        yield f"{path}.{kind}", write(table)


def to_csv(table: DataTable) -> str:
    """Return CSV after RFC 4180; text that a spreadsheet would read as a formula gets an apostrophe before it.

    Control characters are replaced by a visible one: a terminal that shows the file would obey them.
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(table.columns)
    writer.writerows([_csv_cell(value) for value in row] for row in table.rows)
    return stream.getvalue()


def _csv_cell(value: Value) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    value = CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def to_json(table: DataTable) -> str:
    """Return JSON with the title and the rows as objects."""
    rows: list[Mapping[str, Value]] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return indented_json({"title": table.title, "rows": rows})


def indented_json(value: Any) -> str:
    """Return data as JSON for people, with a line end.

    Raises:
        ValueError: if a number is not finite.

    """
    with contextlib.suppress(ValueError):  # half a character, which UTF-8 does not have
        text = pydantic_core.to_json(value, indent=1).decode()
        if "NaN" not in text and "Infinity" not in text:
            return text + "\n"
    # Ten times slower, with the checks.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def to_latex(table: DataTable) -> str:
    """Return a LaTeX ``table`` with the line commands of booktabs, the only package it needs."""
    best = _best_by_row(table)
    lines = [_latex_row(row, best.get(number, NO_COLUMNS)) for number, row in enumerate(table.printed_rows)]
    note = [r"\par\smallskip{\footnotesize " + _latex(BEST_NOTE) + "}"] if table.best else []
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(table.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.printed_columns) - 1)}}}",
            r"\toprule",
            _latex_row(table.printed_columns),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *note,
            r"\end{table}",
            "",
        ]
    )


def _best_by_row(table: DataTable) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for row, column in table.best:
        found.setdefault(row, set()).add(column)
    return found


def _latex_row(cells: tuple[str, ...], best: Set[int] = NO_COLUMNS) -> str:
    # Not \textbf: the sign of a spread is in math mode, which it does not reach.
    marked = (rf"\boldmath\bfseries {_latex(c)}" if i in best else _latex(c) for i, c in enumerate(cells))
    return " & ".join(marked) + r" \\"


def _latex(text: str) -> str:
    return shown(text).translate(LATEX)


def to_markdown(table: DataTable) -> str:
    """Return a Markdown table below its title; markup in cells is escaped."""
    heads = [
        _markdown_row(table.printed_columns),
        "|".join(["", "---", *["---:"] * (len(table.printed_columns) - 1), ""]),
    ]
    best = _best_by_row(table)
    rows = [_markdown_row(row, best.get(number, NO_COLUMNS)) for number, row in enumerate(table.printed_rows)]
    note = [_markdown(BEST_NOTE), ""] if table.best else []
    return "\n".join([_markdown(table.title), "", *heads, *rows, "", *note])


def _markdown_row(cells: tuple[str, ...], best: Set[int] = NO_COLUMNS) -> str:
    marked = (f"**{_markdown(c)}**" if i in best else _markdown(c) for i, c in enumerate(cells))
    return "| " + " | ".join(marked) + " |"


def _markdown(text: str) -> str:
    return MARKDOWN.sub(r"\\\1", shown(text).replace("\n", " "))
