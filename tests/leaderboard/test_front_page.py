"""Oracle: what a reader must find on the front page and on the pages about the site, and where links lead."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from email.message import Message

import pytest

from benchsuite.api.board_plan import board_plan_of, rule_words_of
from benchsuite.papers.statements import Papers
from benchsuite.registry.manager import Registry
from benchsuite.results.board_plan import RuleWords
from benchsuite.results.tables import summarize
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite_leaderboard import cost_figure
from benchsuite_leaderboard.arrivals import arrivals_of
from benchsuite_leaderboard.cost_figure import cost_figures
from benchsuite_leaderboard.downloads.board import BoardExport
from benchsuite_leaderboard.groups import facets_of, group_tables
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.papers_list import papers_of_site
from benchsuite_leaderboard.search_index import index_of
from benchsuite_leaderboard.texts import citation, glossary
from tests.factories import make_record, make_seeds, make_timing

from ..built_site import pages_of

LOW, HIGH = [0.10, 0.11, 0.12], [0.30, 0.31, 0.32]
NO_NAMES = RuleNames()


def test_a_third_partys_short_name_is_on_the_page_and_else_one_is_made() -> None:
    """Catches a table of names that only the suite's own rules are in."""
    names = RuleNames({"spike_prop_variant": RuleWords(short_name="SPV!", summary="Spikes.")})
    assert (names.short("spike_prop_variant"), names.full("spike_prop_variant")) == ("SPV!", "spike prop variant")
    assert names.short("some_other_new_rule") == "SONR"
    assert (names.short("direct_feedback_alignment"), names.full("gevb")) == ("DFA", "global error-vector broadcasting")
    papers = Papers(rules=dict(names.stated))
    page = pages_of([*make_seeds("backprop", LOW), *make_seeds("spike_prop_variant", HIGH)], papers=papers)[
        "index.html"
    ]
    assert '<a href="rules/spike_prop_variant.html" title="spike prop variant">SPV!</a>' in page


def test_rules_state_short_names_in_their_traits(registry: Registry) -> None:
    """Catches a short name that a plugin states and that no page gets."""
    rule = registry.rules["backprop"]
    changed = type("Named", (rule,), {"traits": rule.traits.model_copy(update={"short_name": "BACK"})})
    words = rule_words_of(type("Some", (), {"rules": {"backprop": changed}})())  # type: ignore[arg-type]
    assert words["backprop"].short_name == "BACK"
    assert words["backprop"].forms == rule.traits.forms


def test_the_suites_plan_has_every_task_once_and_every_rule_in_its_first_form() -> None:
    """Catches forms of one task as columns of their own, and a rule shown in a form that it need not have."""
    library = SpecLibrary([builtin_folder()])
    plan = board_plan_of(library, {"core-mnist-dense"})
    assert plan
    assert len({task.name for task in plan.tasks}) == len(plan.tasks) == 9
    dense = next(task for task in plan.tasks if task.name == "core-mnist-dense")
    assert dense.title == "MNIST, dense"
    assert {rule: dense.track_of(rule) for rule in ("gevb", "gait_prop", "feedback_alignment", "no_such_rule")} == {
        "gevb": "core-mnist-dense-vectorized",
        "gait_prop": "core-mnist-dense-invertible",
        "feedback_alignment": "core-mnist-dense",
        "no_such_rule": None,
    }
    assert board_plan_of(library, {"digits-fc"}) is None


def test_a_rule_that_cannot_run_in_a_form_is_hatched_and_not_blank() -> None:
    """Catches "not run" for a pair that nothing could run."""
    stated = {"vector": RuleWords(forms=frozenset({"vectorized"})), "fa": RuleWords(forms=frozenset({"ordinary"}))}
    records = [*make_seeds("backprop", LOW), *make_seeds("dfa", LOW, track="b"), *make_seeds("vector", LOW, track="b")]
    records += make_seeds("fa", LOW, track="b")
    (group,) = group_tables(summarize(records), RuleNames(stated))
    line = next(line for line in group.lines if line.table.track == "digits-fc")
    found = {cell.cell.rule: (cell.cell.empty, cell.impossible) for cell in line.cells if not cell.cell.row}
    assert found == {"vector": ("cannot run", True), "fa": ("not run", False), "dfa": ("not run", False)}


def test_groups_are_data_sets_and_facets_only_what_differs() -> None:
    """Catches a group per way of preparing the images, and a row of chips with one chip."""
    records = [
        *make_seeds("backprop", LOW, track="a", dataset={"title": "CIFAR-10, cropped"}),
        *make_seeds("backprop", LOW, track="b", dataset={"title": "CIFAR-10, first 45,000"}),
        *make_seeds("backprop", LOW, track="c", dataset={"title": "MNIST"}),
    ]
    groups = group_tables(summarize(records), NO_NAMES)
    assert [(group.title, group.tracks) for group in groups] == [("CIFAR-10", 2), ("MNIST", 1)]
    assert [(facet.name, facet.values) for facet in facets_of(groups)] == [("data", ("CIFAR-10", "MNIST"))]


def test_the_figure_has_timed_rows_alone_and_marks_those_that_no_other_beats() -> None:
    """Catches a cost that was mined from a training's log, and a front of rules that another beats in both."""
    records = [
        r
        for rule, e in {"backprop": 0.1, "fa": 0.2, "bad": 0.3, "free": 0.4}.items()
        for r in make_seeds(rule, [e] * 3)
    ]
    timing = make_timing({"backprop": (4.0, 4.0), "fa": (2.0, 2.0), "bad": (3.0, 3.0)})
    tables = summarize(records, timings=[timing])
    (figure,) = cost_figures([("Digits", tables)], NO_NAMES)
    assert {mark.rule: mark.on_front for mark in figure.marks} == {"backprop": True, "fa": True, "bad": False}
    places = {mark.rule: (mark.x, mark.y) for mark in figure.marks}
    assert places["fa"][0] < places["bad"][0] < places["backprop"][0]
    assert places["backprop"][1] > places["fa"][1] > places["bad"][1], "a low error is at the bottom"
    assert all(0 < place < 100 for both in places.values() for place in both)
    assert cost_figures([("Digits", summarize(records))], NO_NAMES) == []


def test_figures_of_one_tasks_forms_can_be_told_apart() -> None:
    """Catches three choices of one name, as the board had once all forms of its dense task were timed."""
    times = {"backprop": (4.0, 4.0), "fa": (2.0, 2.0)}
    records, timings = [], []
    for form in ("ordinary", "vectorized", "invertible"):
        fields = {"track": f"dense-{form}", "architecture": {"form": form}}
        timings.append(make_timing(times, **fields))
        records += [r for rule in times for r in make_seeds(rule, LOW, **fields)]
    column = ("MNIST, dense", summarize(records, timings=timings))
    assert {figure.title for figure in cost_figures([column], NO_NAMES)} == {
        "MNIST, dense",
        "MNIST, dense, vectorized form",
        "MNIST, dense, invertible form",
    }


def test_names_of_points_close_together_do_not_cover_each_other() -> None:
    """Catches names on top of each other where each alone has no better side; places in pixels, of a board's figure."""
    at = {"BP": (81, 226), "DTP": (116, 194), "DFA": (73, 192), "DKP": (76, 211), "FA": (86, 193), "KP": (83, 211)}
    at |= {
        "LDFA": (84, 192),
        "MF": (79, 219),
        "PEPITA": (103, 166),
        "SS": (87, 224),
        "URFB": (83, 221),
        "WM": (103, 208),
    }
    size = cost_figure.PLOT_WIDTH / 100, cost_figure.PLOT_HEIGHT / 100
    sides = cost_figure._place_labels([(text, x / size[0], y / size[1]) for text, (x, y) in at.items()], [])
    boxes = [
        cost_figure._label_box(x, y, cost_figure.LETTER * len(text), *cost_figure.SIDES[side])
        for (text, (x, y)), side in zip(at.items(), sides, strict=True)
    ]
    assert sum(itertools.starmap(cost_figure._overlap, itertools.combinations(boxes, 2))) < 10  # of 100 per letter


def test_each_hardware_class_has_a_figure_of_its_own() -> None:
    """Catches a figure of the usual machine alone, whose rows stand for their rules everywhere else."""
    records, timings = [], []
    for name in ("cpu", "gpu"):
        records += [r for rule in ("backprop", "fa") for r in make_seeds(rule, LOW, hardware_class=name)]
        timings.append(make_timing({"backprop": (4.0, 4.0), "fa": (2.0, 2.0)}, hardware_class=name))
    tables = summarize(records, timings=timings)
    figures = cost_figures([("Digits", tables)], NO_NAMES)
    assert {figure.hardware_class: [mark.rule for mark in figure.marks] for figure in figures} == {
        "cpu": ["backprop", "fa"],
        "gpu": ["backprop", "fa"],
    }
    assert len({mark.address for figure in figures for mark in figure.marks}) == 4


def test_one_paper_is_listed_once_however_it_is_cited() -> None:
    """Catches a paper of its own per section that a claim cites, and papers that are taken for one."""
    rules = {
        "gevb": RuleWords(source="Clark, Abbott & Chung 2021, arXiv:2106.07453; conv: its appendix H"),
        "gevb_too": RuleWords(source="arXiv:2106.07453, section 2"),
        "mirror": RuleWords(
            source="Akrout et al. 2019 (weight mirrors), section 6; arXiv:2102.11598 (GAIT), section 3"
        ),
        "urfb": RuleWords(source="Amit 2019, Frontiers 13:18, arXiv:1812.07965"),
        "none": RuleWords(source="our own"),
    }
    found = {paper.title: (paper.arxiv, paper.rules) for paper in papers_of_site(rules, [], [])}
    assert found == {
        "Clark, Abbott & Chung 2021": ("2106.07453", ["gevb", "gevb_too"]),
        "Akrout et al. 2019 (weight mirrors)": ("", ["mirror"]),
        "arXiv:2102.11598 (GAIT)": ("2102.11598", ["mirror"]),
        "Amit 2019": ("1812.07965", ["urfb"]),
    }


def test_no_citation_makes_an_address_but_that_of_an_arxiv_number() -> None:
    """Catches a link that a plugin's text chose: its source is any text."""
    sources = ["javascript:alert(1) 2020", "Evil 2020, arXiv:1234.56789/../../x", 'Evil & Co 2021, arXiv:"onclick="']
    papers = Papers(rules={f"rule-{n}": RuleWords(source=source) for n, source in enumerate(sources)})
    page = pages_of(make_seeds("backprop", LOW), papers=papers)["papers.html"]
    addresses = re.findall(r'href="([a-z]+:[^"]*)"', page)
    assert [a for a in addresses if not a.startswith("data:")] == ["https://arxiv.org/abs/1234.56789"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"hardware_class": "gpu", "test_error": 0.105}, "reproduced elsewhere"),
        ({"hardware_class": "gpu", "test_error": 0.2}, "self-reported"),
        ({"hardware_class": "cpu-8-core", "test_error": 0.1}, "reproduced here"),
        ({"hardware_class": "cpu-8-core", "test_error": 0.2}, "self-reported"),
    ],
)
def test_a_record_is_reproduced_if_another_agrees(other: dict, expected: str) -> None:
    """Catches a badge that any second record earns, whatever it says."""
    records = [make_record("fa", 0, 0.1), make_record("fa", 0, **other, ended_after_s=99), make_record("fa", 1, 0.1)]
    found: Counter[str] = Counter()
    for arrival in arrivals_of(summarize(records)):
        found[arrival.verification] += arrival.runs
    assert found == ({"self-reported": 3} if expected == "self-reported" else {"self-reported": 1, expected: 2})


def test_changes_are_by_the_day_of_the_records() -> None:
    """Catches a date of the build, which would make every page new every day."""
    pages = pages_of([make_record("fa", 0, 0.1), make_record("fa", 1, 0.1, ended_after_s=86_400)])
    assert re.findall(r'id="day-([0-9-]+)"', pages["changes.html"]) == ["2026-11-02", "2026-11-01"]
    assert "<dt>Last record</dt><dd>2026-11-02" in pages["index.html"]


def test_the_whole_boards_file_has_the_pages_numbers_and_keeps_its_schema() -> None:
    """Catches a number of the file that is not the table's, and a field that its schema does not have."""
    records = [
        *make_seeds("backprop", LOW),
        *make_seeds("fa", HIGH),
        make_record("dfa", 0, status="diverged", reason="x"),
    ]
    pages = pages_of(records)
    board = BoardExport.model_validate_json(pages["downloads/board.json"])
    (table,) = summarize(records)
    rows = {row.row_id: row for row in board.tables[0].rows}
    assert rows.keys() == {row.row_id for row in table.rows}
    for row in table.rows:
        found = rows[row.row_id]
        assert (found.test_error and found.test_error.mean) == (row.test_error and row.test_error.mean)
        assert (found.rank, found.run_ids) == (row.rank, tuple(run.run_id for run in row.runs))
    assert next(row for row in rows.values() if row.rule == "dfa").failures == {"diverged": 1}
    schema = json.loads(pages["downloads/board.schema.json"])
    given = json.loads(pages["downloads/board.json"])
    assert given.keys() == schema["properties"].keys()
    assert given["tables"][0]["rows"][0].keys() == schema["$defs"]["RowExport"]["properties"].keys()


def test_the_site_says_how_to_cite_it_and_what_its_words_mean() -> None:
    """Catches an empty cite box or glossary: both come from files outside of the package."""
    assert citation().bibtex.startswith("@software{benchsuite,\n  title = {{benchsuite: a benchmark")
    assert citation().licence == "BSD-3-Clause"
    assert {"Credit point", "Segment", "Tier"} <= {term for term, _ in glossary()}
    assert not [meaning for _, meaning in glossary() if "](" in meaning]
    pages = pages_of(make_seeds("backprop", LOW))
    assert "@software{benchsuite," in pages["index.html"]
    assert "Only autograd knows" in pages["glossary.html"]


def test_every_page_links_to_the_repository_that_was_named() -> None:
    """Catches an address that the pages have and the citation lacks, and one that nobody named."""
    address = "https://example.org/lab/benchsuite"
    pages = pages_of(make_seeds("backprop", LOW), repository_url=address)
    link = f'<a href="{address}">Repository</a>'
    assert [name for name, text in pages.items() if name.endswith(".html") and link not in text] == []
    assert f"url = {{{address}}}" in pages["index.html"]
    assert "Repository</a>" not in pages_of(make_seeds("backprop", LOW))["index.html"]


def test_the_repository_is_that_of_the_packages_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches labels compared letter by letter, and an address that would run or show something else."""
    stated = Message()
    stated["Project-URL"] = "Homepage, https://example.org"
    stated["Project-URL"] = "Source, javascript:alert(1)"
    stated["Project-URL"] = "Source Code, https://example.org/code"
    monkeypatch.setattr("benchsuite_leaderboard.texts.metadata.metadata", lambda name: stated)
    citation.cache_clear()
    try:
        assert (citation().repository, citation().docs) == ("https://example.org/code", "")
    finally:
        citation.cache_clear()


def test_a_rules_file_for_every_eval_ever_has_what_the_format_asks_for() -> None:
    """Catches a number as text, text as a number, and a mean over the seeds that happened to complete.

    The keys and kinds are those of eval.schema.json 0.2.1.
    """
    failed = [*make_seeds("dfa", LOW), make_record("dfa", 3, status="diverged", reason="x")]
    pages = pages_of([*make_seeds("backprop", LOW), *make_seeds("fa", HIGH), *failed])
    folder = "downloads/every-eval-ever/"
    assert {name for name in pages if name.startswith(folder)} == {f"{folder}backprop.json", f"{folder}fa.json"}
    found = json.loads(pages[f"{folder}fa.json"])
    assert found.keys() == {
        "schema_version",
        "evaluation_id",
        "retrieved_timestamp",
        "source_metadata",
        "model_info",
        "eval_library",
        "evaluation_results",
    }
    assert found["retrieved_timestamp"] == "1793491200", "the last record's day, 1 November 2026"
    (result,) = found["evaluation_results"]
    assert result.keys() == {"evaluation_name", "source_data", "metric_config", "score_details"}
    score = result["score_details"]
    assert score["score"] == pytest.approx(0.31)
    assert score["uncertainty"]["num_samples"] == 3
    assert score["uncertainty"]["confidence_interval"]["lower"] < 0.31
    assert all(isinstance(value, str) for value in score["details"].values())
    assert float(score["details"]["gap_to_backprop"]) == pytest.approx(0.2)


def test_the_search_knows_rules_tracks_papers_and_claims() -> None:
    """Catches a search of which half of the site is no part, and a short name that finds nothing."""
    stated = {"gevb": RuleWords(short_name="GEVB", summary="Broadcasts the error.", source="Clark 2021")}
    tables = summarize([*make_seeds("backprop", LOW), *make_seeds("gevb", HIGH)])
    found = index_of(
        ["backprop", "gevb"], tables, [], [("Clark 2021", "papers.html#paper-clark-2021")], RuleNames(stated)
    )
    by_word = {
        entry["kind"]: entry["address"] for entry in found if "gevb" in f"{entry['title']} {entry['words']}".lower()
    }
    assert by_word == {"rule": "rules/gevb.html", "track": "tracks/digits-fc.html"}
    assert [entry["address"] for entry in found if entry["kind"] == "paper"] == ["papers.html#paper-clark-2021"]
    assert any("broadcasts" in entry["words"].lower() for entry in found)
