"""Oracle: files of remarks written here, and the problems a reader should be told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.records.reading import BrokenRecord
from benchsuite.records.remarks import PlacedRemark, read_remarks

GOOD = """\
track: digits-fc
remarks:
  - {tier: quick, rules: [backprop], text: one}

  - tier: paper
    rules: [backprop, fa]
    label_has: "samples=16"
    text: >-
      two
      lines
"""


def test_remarks_keep_their_place_in_the_file(tmp_path: Path) -> None:
    """Catches a remark whose problem is reported at another one's line."""
    (tmp_path / "digits-fc.yaml").write_text(GOOD, encoding="utf-8")
    first, second = read_remarks(tmp_path)
    assert isinstance(first, PlacedRemark)
    assert isinstance(second, PlacedRemark)
    assert (first.line, second.line) == (3, 5)
    assert second.remark.text == "two lines"
    assert second.remark.label_has == "samples=16"
    assert second.problem("no such row") == BrokenRecord(tmp_path / "digits-fc.yaml", "line 5: no such row")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("track: digits-fc\nremarks:\n  - {tier: quik, rules: [fa], text: x}\n", "line 3: remarks.0.tier: "),
        ("track: digits-fc\nremarks:\n  - {tier: quick, rule: [fa], text: x}\n", "did you mean 'rules'?"),
        ("track: digits-fc\nremarks: []\n", "remarks"),
        ("remarks: [\n", "line 2"),
        ("- a list\n", "line 1"),
    ],
)
def test_a_wrong_file_is_told_with_its_line_and_without_its_folder(tmp_path: Path, text: str, told: str) -> None:
    """Catches a misspelt file that is left out in silence, and a site that shows where somebody keeps the records."""
    (tmp_path / "wrong.yaml").write_text(text, encoding="utf-8")
    (found,) = read_remarks(tmp_path)
    assert list(read_remarks(tmp_path / "wrong.yaml")) == [found], "a file that is named itself"
    assert isinstance(found, BrokenRecord)
    assert told in found.reason
    assert str(tmp_path) not in found.reason
