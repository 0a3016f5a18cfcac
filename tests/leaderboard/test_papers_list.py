"""Oracle: citations as specs have them, read by hand."""

from __future__ import annotations

from benchsuite.results.board_plan import RuleWords
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.papers_list import paper_title, place_in_paper


def test_a_paper_keeps_all_of_its_authors_and_the_rest_is_the_place_in_it() -> None:
    """Catches a paper called "Ren", cut at the first comma, and a table that stands for the whole paper."""
    assert paper_title("Ren, Kornblith, Liao & Hinton 2023, arXiv:2210.03310, Table 2") == (
        "Ren, Kornblith, Liao & Hinton 2023"
    )
    assert paper_title("our own, section 2") == "our own"
    assert place_in_paper("Clark et al. 2021 (GEVB), arXiv:2106.07453, Tables 1 and 2") == "Tables 1 and 2"
    assert place_in_paper("Amit 2019") == "Amit 2019"


def test_evidence_calls_rules_by_their_names() -> None:
    """Catches an identifier where nobody types one, and a word that only looks like a rule's."""
    names = RuleNames({"own_rule": RuleWords(), "gevb": RuleWords()})
    text = "gevb, dense1 below own_rule, mnist-gevb-fc on its_track: not_above kolen_pollack's"
    assert names.in_words(text) == (
        "global error-vector broadcasting, dense1 below own rule, mnist-gevb-fc on its_track: not_above Kolen-Pollack's"
    )
