"""The page of all verbs and options, from the parser itself."""

from __future__ import annotations

import re
import textwrap

import typer
from typer.cli import get_docs_for_click

from benchsuite.cli.main import app

INTRODUCTION = """# Command

Every verb and option, generated from the parser. Data goes to stdout, progress and errors to stderr; `--json` prints
JSON and nothing else.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | every selected run has a record and none crashed; divergence is a result |
| 1 | a run crashed or ran out of memory, or a check found problems |
| 2 | the request was wrong; nothing was started |
| 3 | a bug of benchsuite; the traceback is on stderr |
| 5 | the selection matched nothing |
| 130 | interrupted; state is saved, and the command that continues is printed |

The checks are `validate`, `doctor`, `sync`, `audit`, `data verify`, `verify`, `records lint` and `import`.

## Environment variables

| variable | stands for |
| --- | --- |
| `BENCHSUITE_STORE` | `--store`: the folder of records, checkpoints and the MLflow mirror |
| `BENCHSUITE_DATA` | `--data-root`: the folder of data sets |
| `BENCHSUITE_SPECS` | `--specs`: folders of your own specs |
| `BENCHSUITE_TRACKING_URI` | `--tracking-uri`: the MLflow store to mirror into; `none` for no mirror |
| `BENCHSUITE_EXECUTOR` | `--executor`: where runs are made |
| `BENCHSUITE_OFFLINE` | set to anything: nothing is downloaded |
| `RAY_ADDRESS` | the Ray cluster that `--executor ray` uses |

"""


def page() -> str:
    """Return the page in Markdown."""
    parser = typer.main.get_command(app)
    context = typer.Context(parser, info_name="benchsuite")
    text = get_docs_for_click(obj=parser, ctx=context, name="benchsuite")
    # One heading of the page is ours; the parser's own headings move one level down.
    _, rest = text.split("\n", 1)
    verbs = rest[rest.index("## `benchsuite ") :]
    verbs = re.sub(r"\x08Examples:\n((?:  .+\n)+)", _examples, verbs)
    return INTRODUCTION + re.sub(r"^\* ", "- ", verbs, flags=re.MULTILINE)


def _examples(found: re.Match[str]) -> str:
    """Return the examples of a verb's help as a block of Markdown."""
    return f"**Examples**:\n\n```sh\n{textwrap.dedent(found[1])}```\n"
