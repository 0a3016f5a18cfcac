"""Oracle: the spec files, counted; the generated page has each statement, value and study of the papers once."""

from __future__ import annotations

import pytest

from benchsuite.papers.claim_cases import load_claims
from benchsuite.papers.published import load_references
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder

from ..scripts import load_script

LIBRARY = SpecLibrary([builtin_folder()])


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    # Without records no track is resolved, which would take seconds.
    page: str = load_script("reference.papers").page(tmp_path_factory.mktemp("no-records"))
    return page


def test_every_claim_has_a_row_with_its_verdict(text: str) -> None:
    """Catches a statement that the page forgot, or one that it has under two papers."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for claim in load_claims(LIBRARY):
        (row,) = [line for line in rows if f"(`{claim.name}`)" in line]
        assert row.endswith(" |")
        assert "**not enough records**" in row
        assert "`benchsuite run " in row or "no track yet: " in row


def test_every_published_value_has_a_row_under_its_paper(text: str) -> None:
    """Catches a file of values whose source names no paper that any claim is of."""
    sections = text.split("\n## ")[1:]
    for reference in load_references(LIBRARY):
        of_file = [sum(line.startswith(f"| `{reference.name}`: ") for line in s.splitlines()) for s in sections]
        assert sorted(of_file)[-1] == sum(of_file) == len(reference.entries), reference.name


def test_every_cell_of_a_table_is_in_its_column(text: str) -> None:
    """Catches a bar or a line break of a spec that shifts a row."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}


def test_studies_and_suites_of_the_papers_are_there(text: str) -> None:
    assert "(study `urfb-linear-dynamics`), section 5.1 and Fig. 12" in text
    assert "- `gevb-tables`: `benchsuite run gevb-tables --tier paper`" in text
