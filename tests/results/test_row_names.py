"""Oracle: tables of variants written out by hand."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

import benchsuite as bs
from benchsuite.api.tables import results_table
from benchsuite.papers.statements import Papers
from benchsuite.results.model import RuleRow
from benchsuite.results.row_names import by_settings, named_settings
from benchsuite.results.tables import summarize
from tests.built_site import pages_of
from tests.factories import make_record, make_seeds, make_spec

SPARSE: dict[str, Any] = {"config": {"density": 0.5}}
HINGE: dict[str, Any] = {"protocol": {"loss": "one_versus_all_hinge"}}
RECORDS = [
    *make_seeds("backprop", [0.10, 0.11, 0.12]),
    *make_seeds("backprop", [0.20, 0.21, 0.22], variant="BP-H", **HINGE),
    *make_seeds("fa", [0.30, 0.31, 0.32]),
    *make_seeds("fa", [0.40, 0.41, 0.42], **SPARSE),
    *make_seeds("dfa", [0.50, 0.51, 0.52]),
]
SPECS = [make_spec("fa", variant="FA, half", **SPARSE), make_spec("fa"), make_spec("backprop")]
NAMED = named_settings(SPECS)


def rows_of(records: list[Any], **options: Any) -> dict[str, RuleRow]:
    (table,) = summarize(records, **options)
    return {row.label: row for row in table.rows}


def test_settings_have_their_variants_name_whatever_the_record_was_made_as() -> None:
    """Catches a variant that falls into its rule's row, and a name that only new records have."""
    rows = rows_of(RECORDS, names=by_settings(NAMED))
    assert sorted(rows) == ["BP-H", "FA, half", "backprop", "dfa", "fa"]
    assert {row.completed for row in rows.values()} == {3}
    assert (rows["FA, half"].rule, rows["FA, half"].variant) == ("fa", "FA, half")
    assert (rows["fa"].variant, rows["dfa"].variant) == ("", "")
    assert "a variant of fa" in rows["FA, half"].notes


def test_records_of_one_setting_are_one_row_under_any_names() -> None:
    """Catches seeds of one run split by the name that each was asked for."""
    records = [make_record("fa", seed, variant=name, **SPARSE) for seed, name in enumerate(["", "Half", "Sparse"])]
    assert [(label, row.total) for label, row in rows_of(records).items()] == [("Half", 3)]
    (row,) = rows_of(records, names=by_settings(NAMED)).values()
    assert (row.label, row.notes) == ("FA, half", ("a variant of fa",))


def test_a_second_name_of_the_same_settings_is_said() -> None:
    named = named_settings([*SPECS, make_spec("fa", variant="Other", **SPARSE), make_spec("dfa", variant="DFA")])
    rows = rows_of(RECORDS, names=by_settings([*named, *named_settings([make_spec("dfa")])]))
    assert "also named Other" in rows["FA, half"].notes
    assert rows["DFA"].variant == ""  # a name for the rule as the track runs it


def test_a_variant_of_the_baseline_has_a_gap_to_it_and_is_marked() -> None:
    """Catches backprop with another loss as its own baseline, and ranked beside rows of another protocol."""
    rows = rows_of(RECORDS, names=by_settings(NAMED))
    row = rows["BP-H"]
    assert row.gap.difference is not None
    assert round(row.gap.difference.mean, 6) == 0.1
    assert not row.is_baseline
    assert [d.field for d in row.protocol_differences] == ["protocol.loss"]
    assert (row.rank, row.unranked_reason) == (None, "a variant with its own protocol")
    assert rows["backprop"].rank == 1
    assert rows["FA, half"].rank == 3


def text_of(records: list[Any]) -> str:
    (table,) = summarize(records)
    console = Console(width=200, file=StringIO())
    console.print(results_table(table))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_terminals_table_names_what_is_a_rows_own_protocol() -> None:
    """Catches a rule that trained longer beside the others without a word, whatever keeps it from a rank."""
    others = [*RECORDS[:2], *RECORDS[6:8]]
    longer = text_of([*others, *make_seeds("dfa", [0.5, 0.51], protocol={"epochs": 9})])
    assert "own epochs" in longer
    assert longer.count("own ") == 1
    assert "own " not in text_of([*others, *make_seeds("dfa", [0.5, 0.51])])
    faster = {"optimizer": {"kind": "sgd", "learning_rate": 0.3}}
    assert "own rate 0.3" in text_of([*others, *make_seeds("dfa", [0.5, 0.51], protocol=faster)])


def test_a_terminals_table_says_why_a_row_of_larger_error_stands_higher() -> None:
    """Catches a rank that reads as a mistake in sorting: where the spread is large, fewer rows are better for sure."""
    records = [
        *make_seeds("backprop", [0.036, 0.053, 0.028]),
        *make_seeds("fa", [0.089, 0.094, 0.097]),
        *make_seeds("gevb", [0.047, 0.056, 0.039]),
    ]
    assert "not by the mean" not in text_of(records)
    spread = text_of([*records, *make_seeds("dfa", [0.092, 0.183, 0.142])])
    assert spread.index("dfa") < spread.index("fa ")
    assert "ranked by how many rows are significantly better, not by the mean" in spread


def test_a_variant_takes_no_rank_from_its_rule() -> None:
    """Catches a rule with settings of its own in the track that loses its rank once a variant stands beside it."""
    own: dict[str, Any] = {"protocol": {"epochs": 2}}
    records = [*RECORDS[:3], *RECORDS[-3:], *make_seeds("fa", [0.3, 0.31, 0.32], **own)]
    beside = make_seeds("fa", [0.4, 0.41, 0.42], variant="Longer", protocol={"epochs": 4})
    assert rows_of(records)["fa"].rank == 2
    assert rows_of([*records, *beside])["fa (epochs=2)"].rank == 2


def test_the_site_shows_variants_by_name_and_the_rule_alone_in_its_column() -> None:
    """Catches the number of an ablation in the front page's column of the rule."""
    pages = pages_of(RECORDS, papers=Papers(names=NAMED))
    track = pages["tracks/digits-fc.html"]
    for text in ("FA, half", "BP-H", "own protocol"):
        assert text in track
    assert "30.00" in pages["index.html"] or "31.00" in pages["index.html"]
    assert "41.00" not in pages["index.html"]
    only = pages_of([*RECORDS[:3], *RECORDS[9:12]], papers=Papers(names=NAMED))
    assert "only variants were run: FA, half" in only["index.html"]


def test_a_variant_is_compared_by_its_name() -> None:
    (row,) = bs.compare(RECORDS, "BP-H", "backprop", own_protocols=True)
    assert round(row.difference.mean, 6) == 0.1
    assert [record.spec.seed for record in bs.Records(RECORDS).select(rule="BP*")] == [0, 1, 2]
