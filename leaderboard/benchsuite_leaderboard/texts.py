"""Texts of the repository that the site shows: the glossary, and how to cite the suite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml

PLACES = {"glossary.md": "docs/glossary.md", "CITATION.cff": "CITATION.cff"}
"""Path in the repository of each text that an installed wheel has in the package's folder ``builtin_texts``."""

SEE = re.compile(r" See\s+\[[^\]]*\]\([^)]*\)\.")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
REPOSITORY_LABELS = frozenset({"source", "repository", "sourcecode", "github"})
DOCS_LABELS = frozenset({"documentation", "docs"})
"""Well-known labels of ``[project.urls]``, in lower case without punctuation."""
SAFE_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True)
class Citation:
    """The suite's citation, from ``CITATION.cff``."""

    bibtex: str
    authors: str
    licence: str
    repository: str
    """Address of the repository; empty if none is named."""
    docs: str
    """Address of the docs; empty if none is named."""


def read_text(name: str) -> str:
    """Return a text of the repository; empty if this installation does not have it."""
    installed = resources.files("benchsuite_leaderboard") / "builtin_texts" / name
    if installed.is_file():
        return installed.read_text(encoding="utf-8")
    beside = Path(__file__).resolve().parents[2] / PLACES[name]
    return beside.read_text(encoding="utf-8") if beside.is_file() else ""


def glossary() -> list[tuple[str, str]]:
    """Return terms and their meanings in plain text, without references to other pages of the docs."""
    found: list[tuple[str, str]] = []
    term = ""
    for line in read_text("glossary.md").splitlines():
        if line.startswith(":   "):
            found.append((term, line[4:]))
        elif line.startswith("    ") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif line and not line.startswith("#"):
            term = line.strip()
    return [(term, LINK.sub(r"\1", SEE.sub("", meaning)).strip()) for term, meaning in found]


@cache
def citation(repository_url: str = "") -> Citation:
    """Return how to cite the suite.

    The addresses are those of ``CITATION.cff``, else of the package's metadata (``[project.urls]``). None is made up.

    Args:
        repository_url: address of the repository, where it is not the one that those name.

    """
    stated: dict[str, Any] = yaml.safe_load(read_text("CITATION.cff")) or {}
    name = str(stated.get("title", "benchsuite"))
    authors = " and ".join(map(_author, stated.get("authors", [])))
    repository = repository_url or _address(stated.get("repository-code")) or _project_url(REPOSITORY_LABELS)
    docs = _address(stated.get("url")) or _project_url(DOCS_LABELS)
    fields = {
        "title": f"{{{name}}}",
        "author": authors,
        "version": str(stated.get("version", "")),
        "year": str(stated.get("date-released", ""))[:4],
        "url": repository or docs,
    }
    lines = [f"  {field} = {{{value}}}," for field, value in fields.items() if value]
    return Citation(
        bibtex="\n".join(["@software{benchsuite,", *lines, "}"]),
        authors=authors.replace("{", "").replace("}", ""),
        licence=str(stated.get("license", "")),
        repository=repository,
        docs=docs,
    )


def _author(author: dict[str, str]) -> str:
    if "family-names" in author:
        return f"{author['family-names']}, {author.get('given-names', '')}".rstrip(", ")
    return f"{{{author.get('name', '')}}}"


def is_address(value: object) -> bool:
    """Return True for a plain https address, which can be a link on every page."""
    return isinstance(value, str) and SAFE_ADDRESS.fullmatch(value) is not None


def _address(value: object) -> str:
    return str(value) if is_address(value) else ""


def _project_url(labels: frozenset[str]) -> str:
    """Return the address of the package's metadata that has one of these labels, in whatever case."""
    try:
        stated = metadata.metadata("benchsuite").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    for line in stated:
        label, _, address = line.partition(",")
        if re.sub(r"[\W_]", "", label).lower() in labels and is_address(address.strip()):
            return str(address.strip())
    return ""
