"""Code blocks of a Markdown page, and how each is run.

A block that cannot run on any machine is preceded by ``<!-- not run: the reason -->``, one that must fail by
``<!-- exit code: 1 -->``. A block with a ``title`` is a file, written where the title says.
"""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

FENCED_LANGUAGES = frozenset({"python", "sh", "yaml", "toml", "text"})
"""Allowed languages of a block; ``text`` is output and is not checked."""


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: first word after the fence.
        text: what is in it.
        line: of the page, from 1 on.
        title: path of the file that it is, or empty.
        not_run: the reason why it is not run, or empty.
        exit_code: that its commands must end with.
    """

    language: str
    text: str
    line: int
    title: str = ""
    not_run: str = ""
    exit_code: int = 0

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a shell block, continued lines joined, split into words without comments."""
        joined = self.text.replace("\\\n", " ")
        words = [shlex.split(line, comments=True) for line in joined.splitlines()]
        return [command for command in words if command]


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found, tag = [], ""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            tag = token.content
        elif token.type == "fence":
            found.append(_block(token, tag))
            tag = ""
        elif token.type not in {"list_item_close", "list_item_open"}:
            tag = ""
    return found


def _block(token: Token, tag: str) -> Block:
    language, _, options = token.info.partition(" ")
    title = re.search(r'title="([^"]+)"', options)
    reason = re.search(r"<!-- not run: (.+?) -->", tag, re.DOTALL)
    code = re.search(r"<!-- exit code: (\d+) -->", tag)
    return Block(
        language,
        token.content,
        (token.map or [0])[0] + 1,
        title[1] if title else "",
        reason[1] if reason else "",
        int(code[1]) if code else 0,
    )


def paragraphs_of(page: Path) -> list[int]:
    """Return the number of words of each paragraph of a page; tables, headings and blocks are none."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    inside = [
        token.content
        for before, token in itertools.pairwise(tokens)
        if before.type == "paragraph_open" and token.type == "inline"
    ]
    return [len(text.split()) for text in inside if not text.startswith(("![", "--8<--"))]
