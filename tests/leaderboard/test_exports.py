"""Oracles: Python's csv and json, and readers of LaTeX's and Markdown's tables that know nothing of the writers."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.results.formatting import mean_sd
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.compare import pairs_of
from benchsuite_leaderboard.downloads.comparisons import pair_data
from benchsuite_leaderboard.downloads.formats import DataTable, as_files, to_csv, to_json, to_latex, to_markdown
from benchsuite_leaderboard.downloads.results import matrix_data, rule_data, track_data, tracks_data
from benchsuite_leaderboard.matrix import build_matrix

from ..built_site import pages_of

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12)


def table_of(rows, printed=()):
    return DataTable("Errors", ("rule", "error"), tuple(rows), ("Rule", "Error"), tuple(printed))


@given(st.lists(st.tuples(st.text(max_size=20), numbers), max_size=6))
def test_csv_and_json_give_every_number_back(rows):
    found = json.loads(to_json(table_of(rows)))["rows"]
    assert [(row["rule"], row["error"]) for row in found] == rows
    head, *lines = csv.reader(io.StringIO(to_csv(table_of(rows)), newline=""))
    assert head == ["rule", "error"]
    assert [None if value == "" else float(value) for _, value in lines] == [
        n if n is None else float(n) for _, n in rows
    ]


@pytest.mark.parametrize("hostile", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_text_is_a_formula_in_a_spreadsheet(hostile):
    assert next(csv.reader(io.StringIO(to_csv(table_of([(hostile, -0.5)])).split("\r\n", 1)[1]))) == [
        f"'{hostile}",
        "-0.5",
    ]


def cells_of_latex(text):
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    return [line.removesuffix(r" \\").split(" & ") for line in body.strip("\n").splitlines()]


def cells_of_markdown(text):
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_latex_and_markdown_print_the_pages_numbers(make_seeds):
    (table,) = summarize([*make_seeds("backprop", [0.10, 0.12]), *make_seeds("fa", [0.15, 0.171])])
    data = track_data(table)
    for cells in (cells_of_latex(to_latex(data)), cells_of_markdown(to_markdown(data))):
        assert [row[0] for row in cells] == ["backprop", "fa"]
        plain = [re.sub(r"\\boldmath\\bfseries |\*\*", "", row[1]).replace(r"$\pm$", "±") for row in cells]
        assert plain == [mean_sd(row.test_error) for row in table.rows]
        assert plain[0] == "11.00 ± 1.41"
        assert cells[1][4].replace("$-$", "−") == "+5.05"


def test_the_best_and_its_ties_are_bold_in_print(make_seeds):
    """Catches a printed table that marks no row, or marks one that is significantly behind the best."""
    rows = {"backprop": [0.100, 0.101, 0.102], "fa": [0.101, 0.100, 0.103], "readout_only": [0.4, 0.41, 0.42]}
    tables = summarize(record for rule, errors in rows.items() for record in make_seeds(rule, errors))
    marked = {"tex": r"\boldmath\bfseries ", "md": "**"}
    for data in (track_data(tables[0]), matrix_data(build_matrix(tables))):
        written = {"tex": cells_of_latex(to_latex(data)), "md": cells_of_markdown(to_markdown(data))}
        for kind, cells in written.items():
            bold = [cell for row in cells for cell in row if cell.startswith(marked[kind])]
            assert len(bold) == 2, bold
            assert not [cell for cell in bold if "41.00" in cell]
            assert all("±" in cell or r"\pm" in cell for cell in bold), "no spread"
    (pair,) = (pair for pair in pairs_of(tables) if {pair.left, pair.right} == {"backprop", "readout_only"})
    assert to_latex(pair_data(pair)).count(r"\boldmath") == 1


NAMING = ("track", "tier", "table", "rule", "settings")


def test_no_file_has_two_rows_of_one_name(make_seeds):
    """Catches tables of one track, and rows of one rule on two machines, that a reader cannot tell apart."""
    records = [
        *make_seeds("backprop", [0.1, 0.2]),
        *make_seeds("backprop", [0.1, 0.2], hardware_class="another machine"),
        *make_seeds("backprop", [0.3, 0.2], fingerprint="cd" * 32),
        *make_seeds("fa", [0.1, 0.2], config={"scale": 1}),
        *make_seeds("fa", [0.1, 0.2], config={"scale": 2}),
        *make_seeds("fa", [0.1, 0.2], fingerprint="cd" * 32),
    ]
    tables = summarize(records)
    assert len(tables) == 2
    results = [(table, row) for table in tables for row in table.rows if row.rule == "fa"]
    files = [*map(track_data, tables), rule_data("fa", results), tracks_data(tables), matrix_data(build_matrix(tables))]
    for data in [*files, *map(pair_data, pairs_of(tables))]:
        words = 3 if data.printed_columns[0] == "Track" else 1
        named = [row[:words] for row in data.printed_rows]
        assert len(set(named)) == len(named), data.title
        by_name = [
            tuple(
                row[data.columns.index(c)] for c in ("track", "tier", "table", "rule", "settings") if c in data.columns
            )
            for row in data.rows
        ]
        assert len(set(by_name)) == len(by_name), data.title


@given(st.text(max_size=30))
def test_no_text_is_markup_in_latex_or_markdown(text):
    (row,) = cells_of_latex(to_latex(table_of([], [(text, "1")])))
    assert row[-1] == "1"
    bare = re.sub(r"\\(?:textbackslash|textasciitilde|textasciicircum)\{\}|\$[^$]*\$|\\[&%$#_{}]", "", " ".join(row))
    assert not set(bare) & set("\\&%$#_{}~^")
    (cells,) = cells_of_markdown(to_markdown(table_of([], [(text, "1")])))
    assert cells[-1] == "1"
    assert not re.search(r"(?<!\\)(?:\\\\)*[<`*_\[]", cells[0])


def test_latex_uses_booktabs_and_has_as_many_columns_as_it_says(make_seeds):
    text = to_latex(matrix_data(build_matrix(summarize(make_seeds("backprop", [0.1, 0.1])))))
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\hline")] == [1, 1, 1, 0]
    spec = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert spec
    assert all(len(row) == len(spec[1]) for row in cells_of_latex(text))


def test_files_hold_what_the_records_say(make_seeds):
    records = [*make_seeds("backprop", [0.1, 0.2]), *make_seeds("fa", [0.3, 0.5])]
    tables = summarize(records)
    rows = {row["rule"]: row for row in json.loads(to_json(track_data(tables[0])))["rows"]}
    assert rows["fa"]["test_error_mean"] == 0.4
    assert rows["fa"]["gap_to_backprop"] == pytest.approx(0.25)
    assert rows["fa"]["run_ids"].split() == [r.run_id for r in records[2:]]
    (pair,) = pairs_of(tables)
    (line,) = json.loads(to_json(pair_data(pair)))["rows"]
    assert (line["left_rule"], line["right_rule"]) == ("backprop", "fa")
    assert line["difference"] == pytest.approx(-0.25)


@pytest.mark.parametrize("error", [None, 0.0725])
def test_the_top5_error_is_printed_where_it_is_known_and_its_data_columns_are_always_there(make_record, error):
    """Catches a heading without its cells, and files of two tracks that a script cannot put below each other."""
    records = [make_record("one", seed, 0.1, top5_error=error, classes=100) for seed in range(2)]
    (table,) = summarize([*records, make_record("two", 0, 0.1, classes=100)])
    for data in (track_data(table), rule_data("one", [(table, row) for row in table.rows])):
        rows = json.loads(to_json(data))["rows"]
        assert [(row["top5_error_mean"], row["top5_error_sd"]) for row in rows] == [
            (error, None if error is None else 0.0),
            (None, None),
        ]
        head, *lines = csv.reader(io.StringIO(to_csv(data), newline=""))
        assert [line[head.index("top5_error_mean")] for line in lines] == ["" if error is None else "0.0725", ""]
        assert [line[head.index("train_error_mean")] for line in lines] == ["0.05", "0.05"]
        assert ("Top-5 error, %" in data.printed_columns) == (error is not None)
        for cells in (cells_of_latex(to_latex(data)), cells_of_markdown(to_markdown(data))):
            assert {len(row) for row in cells} == {len(data.printed_columns)}
            if error is not None:
                place = data.printed_columns.index("Top-5 error, %")
                assert [row[place].replace(r"$\pm$", "±") for row in cells] == ["7.25 ± 0.00", cells[1][place]]
                assert cells[1][place] in {"–", "--"}


def test_every_table_of_a_site_has_its_four_files(make_seeds):
    pages = pages_of([*make_seeds("backprop", [0.1, 0.2]), *make_seeds("fa", [0.3, 0.5])])
    whole = {"downloads/board.json", "downloads/board.schema.json"}
    whole |= {name for name in pages if name.startswith("downloads/every-eval-ever/")}
    offered = {name.rpartition(".")[0] for name in pages.keys() - whole if name.startswith("downloads/")}
    assert {
        "downloads/matrix",
        "downloads/tracks",
        "downloads/rules",
        "downloads/rules/fa",
        "downloads/compare/backprop/fa",
    } <= offered
    assert all(f"{name}.{kind}" in pages for name in offered for kind in ("csv", "json", "tex", "md"))
    assert len(dict(as_files(table_of([]), "x"))) == 4
