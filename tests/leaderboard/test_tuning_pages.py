"""Oracle: the records of tunings that the pages are made from."""

from __future__ import annotations

import json
import re

import pytest

from benchsuite.results.tuning_curves import expected_best
from benchsuite.specs.models.tuning import RATE
from benchsuite_leaderboard.site import build_site
from tests.built_site import pages_of
from tests.factories import make_seeds, make_tuned_seeds, make_tuning
from tests.leaderboard.test_site import check_no_live_element

HOSTILE = '</script><script>window.broken=1</script><b onclick="x">'


@pytest.fixture(scope="module")
def tunings():
    return [
        make_tuning("backprop", (0.05, 0.02, None, 0.3), command=HOSTILE, reason=HOSTILE),
        make_tuning("fa", (0.2, 0.1, 0.4, None), searched={"scale": (0.1, 10)}),
    ]


@pytest.fixture(scope="module")
def pages(tunings):
    records = [*make_seeds("backprop", [0.02, 0.03, 0.04]), *make_seeds("fa", [0.1, 0.12, 0.14], config={"scale": 1})]
    records += [*make_tuned_seeds(tunings[0], [0.02, 0.02, 0.03]), *make_tuned_seeds(tunings[1], [0.05, 0.06, 0.07])]
    records += make_seeds("backprop", [0.01, 0.01, 0.01], tier="paper", protocol={"epochs": 9})
    return pages_of(records, tunings=tunings)


def charts(page):
    found = re.findall(r'<script type="application/json" id="((?:rate|budget)-[^"]+)">(.*?)</script>', page)
    return {name.partition("-")[0] + name[-2:]: json.loads(spec) for name, spec in found}


def test_every_trial_is_in_its_rules_chart_and_failed_ones_are_marked(pages, tunings):
    """Catches a diverged trial that is left out or drawn with an error, and a ring that is not around the best."""
    drawn = charts(pages["tuning/digits-fc.html"])
    for place, tuning in ((1, tunings[0]), (2, tunings[1])):
        layers = {
            "cross" if layer["mark"].get("shape") == "cross" else layer["mark"]["type"]: layer["data"]["values"]
            for layer in drawn[f"rate-{place}"]["layer"]
            if layer["mark"].get("filled", True)
        }
        shown = {value["x"]: value.get("m") for value in (*layers["point"], *layers["cross"])}
        wanted = {t.settings[RATE]: t.validation_error and 100 * t.validation_error for t in tuning.trials}
        assert shown == pytest.approx(wanted)
        assert all("m" not in value for value in layers["cross"])
        assert layers["rule"] == [{"x": 0.1}]
        (ring,) = (layer for layer in drawn[f"rate-{place}"]["layer"] if layer["mark"].get("filled") is False)
        assert [value["x"] for value in ring["data"]["values"]] == [tuning.best.settings[RATE]]
    kinds = [{layer["mark"]["type"] for layer in drawn[f"rate-{place}"]["layer"]} for place in (1, 2)]
    assert ["line" in kind for kind in kinds] == [True, False]


def test_a_quick_table_says_how_near_its_baseline_is_to_the_papers_tier(pages):
    """Catches a laptop's tier of which nobody sees how much more training would change."""
    page = re.sub(r"<[^>]+>", "", pages["tracks/digits-fc.html"])
    assert page.count("quick 3.00 %, paper 1.00 %: 2.00 points apart (3 and 3 seeds)") == 1


def test_the_chart_of_budgets_has_the_expectation_of_every_rule(pages, tunings):
    """Catches curves of which failed trials are left out."""
    values = charts(pages["tuning/digits-fc.html"])[
        next(k for k in charts(pages["tuning/digits-fc.html"]) if "bu" in k)
    ]
    labels = {row["r"]: row["label"] for row in values["datasets"]["rows"]}
    found = {(labels[v["r"]], v["e"]): v["m"] for v in values["data"]["values"]}
    for tuning in tunings:
        for point in expected_best([trial.validation_error for trial in tuning.trials]):
            assert found[tuning.spec.run.rule.name, point.trials] == pytest.approx(100 * point.error, rel=1e-4)


def test_rows_say_whether_their_settings_are_published_or_tuned(pages):
    """Catches a tuned row that stands for the rule as published, or hides the time of its tuning."""
    page = re.sub(r"\s+", " ", pages["tracks/digits-fc.html"])
    assert page.count("<small>published settings</small>") == 2
    assert page.count("<small>8 s of tuning</small>") == 2
    assert page.count(", tuned (4 trials)</a>") == 2
    assert "../tuning/digits-fc.html" in page
    assert 'href="tuning/digits-fc.html#' in pages["tuning.html"]


def test_nothing_of_a_record_is_live_in_the_pages_of_tunings(pages):
    """Catches text of a record that is not escaped, and a link into nothing."""
    for name in ("tuning/digits-fc.html", "tuning.html"):
        page = check_no_live_element(pages[name])
        for _, attributes in page.elements:
            file = (attributes.get("href") or "").partition("#")[0].removeprefix("../")
            assert file in pages or not file or file.startswith(("static/", "data:")), file


def test_a_track_with_tunings_only_has_their_page(tunings, tmp_path):
    """Catches a build that fails, or tunings that are seen only once final runs exist."""
    report = build_site([], tmp_path / "site", tunings=tunings)
    assert "tuning/digits-fc.html" in report.files
    assert "tracks/digits-fc.html" not in report.files
    text = (tmp_path / "site" / "tuning" / "digits-fc.html").read_text()
    assert "benchsuite run digits-fc" in text
    renewed = build_site([], tmp_path / "site", tunings=tunings[:1])
    assert "tuning/digits-fc.html" in renewed.files
    assert '"label":"fa"' in text
    assert '"label":"fa"' not in (tmp_path / "site" / "tuning" / "digits-fc.html").read_text()
