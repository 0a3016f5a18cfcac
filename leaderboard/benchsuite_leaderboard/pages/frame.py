"""The frame around every page, and the check of names that become file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BenchsuiteError
from benchsuite.version import __version__
from benchsuite_leaderboard.texts import citation, is_address

# Same as ``benchsuite.specs.models.base.Name``; checked again because the name becomes a path.
PAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")

# About 50 bytes per point: a page with its tables stays well under 1 MB.
POINTS_A_PAGE = 12_000

CLAIMS_ADDRESS = "claims.html"
TUNINGS_ADDRESS = "tuning.html"
PAPERS_ADDRESS = "papers.html"
METHOD_ADDRESS = "method.html"
GLOSSARY_ADDRESS = "glossary.html"
SUBMIT_ADDRESS = "submit.html"
CHANGES_ADDRESS = "changes.html"


@dataclass(frozen=True)
class Frame:
    """The frame around a page, the same for all pages of a site."""

    title: str
    has_claims: bool
    has_studies: bool
    has_tunings: bool = False
    has_papers: bool = False
    repository_url: str = ""
    """Address of the repository, if it is not the package's own."""

    def __post_init__(self) -> None:
        """Refuse an address that could not be a link on every page.

        Raises:
            BenchsuiteError: if it is no plain https address.

        """
        if self.repository_url and not is_address(self.repository_url):
            raise BenchsuiteError(
                f"{self.repository_url!r} cannot be the repository's address, no page was built; expected an https "
                "address without user, query or fragment, such as https://example.org/lab/benchsuite"
            )

    def variables(self, here: str, root: str) -> dict[str, Any]:
        """Return the variables of ``base.html.j2``.

        Args:
            here: name of the section that the page belongs to; empty for the front page.
            root: relative path from the page's folder to the site's.

        """
        nav = [("tracks", "index.html#matrix"), ("rules", "rules.html"), ("compare", "compare.html")]
        nav += [("tuning", TUNINGS_ADDRESS)] if self.has_tunings else []
        nav += [("claims", CLAIMS_ADDRESS)] if self.has_claims else []
        nav += [("papers", PAPERS_ADDRESS)] if self.has_papers else []
        nav += [("studies", "index.html#studies")] if self.has_studies else []
        nav += [("method", METHOD_ADDRESS)]
        more = [
            ("Cite", "index.html#cite"),
            ("Glossary", GLOSSARY_ADDRESS),
            ("Submit a rule or records", SUBMIT_ADDRESS),
            ("Changes", CHANGES_ADDRESS),
        ]
        return {
            "site_title": self.title,
            "version": __version__,
            "nav": nav,
            "more": more,
            "cite": citation(self.repository_url),
            "here": here,
            "root": root,
        }


def page_name(kind: str, name: str) -> str:
    """Return the name if it is safe as a file name.

    Raises:
        ValueError: if it is not.

    """
    if not PAGE_NAME.fullmatch(name):
        raise ValueError(f"{kind} {name!r}: not a valid name, so no page can have it in its address")
    return name
