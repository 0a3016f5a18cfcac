"""Oracle: what a reader looks for on the pages of rules, runs and pairs, and where their links lead."""

from __future__ import annotations

import pytest

from benchsuite.api.board_plan import rule_words_of
from benchsuite.papers.statements import Papers
from benchsuite.records.audit import (
    Observation,
    PrecisionAudit,
    RuleAudit,
    RuleNeeds,
    SegmentPrecision,
    TraitAudit,
)
from benchsuite.records.model import RunRecord
from benchsuite.records.store import BrokenRecord
from benchsuite.registry.catalogue import open_catalogue
from benchsuite.results.board_plan import RuleSetting, RuleWords, TrackWords
from benchsuite.results.rule_style import STYLES
from benchsuite.results.rule_texts import EQUATIONS, PATHS, TITLES
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.compare import pairs_of
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.paths import CAPTIONS, paths_of
from benchsuite_leaderboard.rendering import difference_places, field_words
from benchsuite_leaderboard.rules import rule_pages
from benchsuite_leaderboard.site import build_site

from ..built_site import pages_of
from ..factories import make_tuned_seeds, make_tuning


@pytest.fixture
def audit_of(make_record):
    def make(rule, verdict="confirmed", source="cd" * 32, text="dense1 at attach"):
        seen = Observation(network="one-hidden", where=text, value=0.25)
        audited = TraitAudit(
            trait="weight_transport",
            declared=False,
            shown=verdict != "confirmed",
            verdict=verdict,
            measure=text,
            threshold=1e-9,
            observations=(seen,),
        )
        needs = RuleNeeds(
            mechanism="direct_local_credit",
            source=text,
            forms=("vectorized",),
            topologies=("chain",),
            map_kinds=None,
            min_hidden_segments=1,
            learns_feedback=False,
        )
        environment = make_record().environment.model_copy(update={"rule_source_hash": source})
        return RuleAudit(rule=rule, summary=text, needs=needs, environment=environment, traits=(audited,))

    return make


def test_a_contradicted_trait_is_on_the_rules_page(make_seeds, audit_of):
    pages = pages_of(make_seeds("fa", [0.1, 0.2]), audits=[audit_of("fa", "contradicted"), audit_of("unrun")])
    assert '<span class="audit-contradicted">contradicted</span>' in pages["rules/fa.html"]
    assert "0.25" in pages["rules/fa.html"]
    assert "contradicted" in pages["rules.html"]
    assert "<code>benchsuite run quickstart --rules unrun</code>" in pages["rules/unrun.html"]
    assert "vectorized" in pages["rules/unrun.html"]


def test_a_rule_that_its_number_format_decides_says_so_on_its_page(make_seeds, audit_of):
    seen = SegmentPrecision(segment="dense1", relative_difference=0.59, angle_deg=36)
    found = PrecisionAudit(
        track="square",
        tier="quick",
        seed=0,
        examples=128,
        config={"form": "<targets>"},
        reference_config={},
        number_format="fp32",
        threshold=0.1,
        segments=(seen, seen.model_copy(update={"segment": "dense2", "relative_difference": 0.01})),
    )
    near = found.model_copy(update={"track": "other", "segments": found.segments[1:]})
    refused = found.model_copy(update={"track": "third", "segments": (), "reason": "needs <another> network"})
    audit = audit_of("fa").model_copy(update={"precision": (found, near, refused)})
    page = pages_of(make_seeds("fa", [0.1, 0.2]), audits=[audit])["rules/fa.html"]
    assert "On square, the number format decides the update: 0.59 of its length from float64 (fp32, dense1)" in page
    assert "On other" not in page
    assert "not measured: needs &lt;another&gt; network" in page
    assert "<targets>" not in page


def test_a_rule_without_an_audit_says_how_to_make_one(make_seeds):
    page = pages_of(make_seeds("fa", [0.1, 0.2]))["rules/fa.html"]
    assert "benchsuite audit fa --out audits" in page


def test_runs_of_other_source_than_the_audited_are_told(make_seeds, audit_of):
    tables = summarize(make_seeds("fa", [0.1, 0.2], rule_source_hash="ab" * 32))
    (page,) = rule_pages(SiteContent(tables=tables, audits=[audit_of("fa", source="cd" * 32)]))
    assert page.is_other_source
    (page,) = rule_pages(SiteContent(tables=tables, audits=[audit_of("fa", source="ab" * 32)]))
    assert not page.is_other_source


def test_hostile_words_of_an_audit_are_text(make_seeds, audit_of):
    hostile = '</td><script>window.broken=1</script><img src=x onerror="x">'
    pages = pages_of(make_seeds("fa", [0.1, 0.2]), audits=[audit_of("fa", text=hostile)])
    for name in ("rules/fa.html", "rules.html"):
        assert "<img" not in pages[name]
        assert "<script>" not in pages[name]


def test_a_broken_audit_is_listed_and_the_site_still_builds(make_seeds, tmp_path):
    report = build_site(make_seeds("fa", [0.1]), tmp_path / "site", audits=[BrokenRecord(tmp_path / "a.json", "empty")])
    assert [b.reason for b in report.broken] == ["empty"]


def test_every_run_has_a_page_with_its_command_and_spec(make_record, make_angles):
    records = [
        make_record("fa", 0, 0.1, command="benchsuite run one", diagnostics=make_angles(0, 3)),
        make_record("fa", 1, status="diverged", reason="not finite in epoch 2", command="benchsuite run two"),
    ]
    pages = pages_of(records)
    first, second = (pages[f"runs/digits-fc/{r.run_id}.html"] for r in records)
    assert "benchsuite run one" in first
    assert "&#34;learning_rate&#34;: 0.1" in first
    assert "rule_source_hash" in first
    assert first.count('type="application/json"') == 3, "error, loss, one diagnostic"
    assert "not finite in epoch 2" in second
    assert "../../tracks/digits-fc.html#row-" in second


def test_a_run_leads_into_mlflow_where_its_address_is_known(make_seeds):
    records = make_seeds("fa", [0.1, 0.2])
    address = "http://127.0.0.1:5000/#/experiments/1/runs/abc"
    pages = pages_of(records, mlflow={records[0].run_id: address})
    known, unknown = (pages[f"runs/digits-fc/{r.run_id}.html"] for r in records)
    assert f'href="{address}"' in known
    assert "http:" not in unknown
    assert f"tags.`benchsuite.run_id` = '{records[1].run_id}'" in unknown


def test_the_later_of_two_records_of_one_run_has_the_page(make_record):
    earlier = make_record("fa", 0, status="crashed", reason="power cut", ended_after_s=1)
    later = make_record("fa", 0, 0.1, ended_after_s=99)
    page = pages_of([later, earlier])[f"runs/digits-fc/{later.run_id}.html"]
    assert "power cut" not in page
    assert "1 earlier record" in page


def test_a_pair_counts_where_its_interval_excludes_zero(make_seeds):
    records = [
        *make_seeds("backprop", [0.10, 0.11, 0.12], track="a"),
        *make_seeds("fa", [0.20, 0.21, 0.23], track="a"),
        *make_seeds("backprop", [0.10, 0.20, 0.12], track="b"),
        *make_seeds("fa", [0.20, 0.11, 0.13], track="b"),
        *make_seeds("backprop", [0.1, 0.1], track="c"),
    ]
    (pair,) = pairs_of(summarize(records))
    assert [line.table.track for line in pair.lines] == ["a", "b"]
    assert [line.better for line in pair.lines] == ["left", ""]
    assert (pair.left, pair.left_better, pair.right_better) == ("backprop", 1, 0)


def words_of(traits, **more):
    return RuleWords(summary="One sentence.", source="Doe 2020, arXiv:2001.00001", traits=traits, **more)


def test_a_rules_page_says_what_the_rule_does(make_seeds):
    """Catches a page of results only, on which a reader cannot tell what was measured."""
    setting = RuleSetting("gain", "1.0", "number", "Scale of B.", "0.1 to 10, logarithmic")
    words = words_of({"mechanism": "replaced_feedback"}, equation="δ = B e", settings=(setting,))
    pages = pages_of(make_seeds("fa", [0.1, 0.2]), papers=Papers(rules={"fa": words, "never_run": words}))
    for page in (pages["rules/fa.html"], pages["rules/never_run.html"]):
        assert "δ = B e" in page
        assert '<a href="https://arxiv.org/abs/2001.00001">arXiv:2001.00001</a>' in page
        assert "0.1 to 10, logarithmic" in page
        assert CAPTIONS["feedback"] in page
    assert "<code>benchsuite run quickstart --rules never_run</code>" in pages["rules/never_run.html"]
    assert "<h1>Never run" in pages["rules/never_run.html"]


@pytest.mark.parametrize(
    ("rule", "traits", "drawing"),
    [
        ("mine", {"mechanism": "replaced_feedback", "hidden_update_is_backprop": True}, "exact"),
        ("mine", {"mechanism": "replaced_feedback", "weight_transport": True}, "transported"),
        ("mine", {"mechanism": "replaced_feedback"}, "feedback"),
        ("mine", {"mechanism": "direct_local_credit"}, "direct"),
        ("mine", {"mechanism": "direct_local_credit", "weight_transport": True}, "targets"),
        ("mine", {"mechanism": "direct_local_credit", "unit_specific_feedback": False}, "vector"),
        ("mine", {"mechanism": "own_gradients"}, "local"),
        ("mine", {"mechanism": "own_gradients", "separate_phase": True}, "two_passes"),
        ("mine", {"mechanism": "own_gradients", "separate_phase": True, "weight_transport": True}, "phases"),
        ("mine", {"mechanism": "own_gradients", "unit_specific_feedback": False}, "scalar"),
        ("mine", {"mechanism": "direct_local_credit", "trains_hidden": False}, "readout"),
        ("mine", {"mechanism": "of a later version"}, ""),
        ("mine", {}, ""),
        ("direct_random_target_projection", {"mechanism": "direct_local_credit"}, "label"),
    ],
)
def test_the_drawing_of_a_rule_follows_from_its_traits(rule, traits, drawing):
    """Catches a third-party rule without a drawing, or with that of another mechanism."""
    assert paths_of(rule, traits) == drawing
    assert drawing == "" or drawing in CAPTIONS


def test_every_built_in_rule_has_an_equation_and_a_drawing_in_accord_with_its_traits():
    """Catches a rule that was added without them, and words on a rule that does not exist."""
    rules = rule_words_of(open_catalogue())
    built_in = set(STYLES)
    assert set(EQUATIONS) == built_in
    assert set(TITLES) | set(PATHS) <= built_in
    assert all(paths_of(name, rules[name].traits) for name in built_in)


def test_a_runs_page_offers_its_record_and_its_neighbours(make_record):
    records = [make_record(rule, seed, 0.1 + seed / 10) for rule in ("fa", "dfa") for seed in range(2)]
    crashed = make_record("gevb", 0, status="crashed", reason="no", command="/home/somebody/python run", curve=[])
    pages = pages_of([*records, crashed])
    fa_0, fa_1, dfa_0, dfa_1 = records
    page = pages[f"runs/digits-fc/{fa_0.run_id}.html"]
    assert f'<a href="{fa_0.run_id}.json" download>' in page
    assert f'<a href="{fa_1.run_id}.html">seed 1</a> 20.00 %' in page
    assert f'<a href="{dfa_0.run_id}.html">dfa</a> 10.00 %' in page
    assert dfa_1.run_id not in page
    assert RunRecord.model_validate_json(pages[f"runs/digits-fc/{fa_0.run_id}.json"]) == fa_0
    assert "somebody" not in pages[f"runs/digits-fc/{crashed.run_id}.json"]


def test_a_runs_page_leads_to_no_row_that_a_longer_tuning_has_replaced(make_record):
    """Catches a page whose neighbours are mostly settings that failed and were searched for anew."""
    short, long = (make_tuning("fa", [0.3, 0.1, 0.2], finalists=finalists) for finalists in ((), (0.9, 0.15)))
    (old,), (new,) = make_tuned_seeds(short, [0.8]), make_tuned_seeds(long, [0.1])
    other = make_record("gevb", 0)
    page = pages_of([old, new, other], tunings=[short, long])[f"runs/{other.spec.track}/{other.run_id}.html"]
    assert new.run_id in page
    assert old.run_id not in page


def test_a_tracks_page_has_the_title_description_and_source_of_its_spec(make_seeds):
    """Catches a page that names its track by an identifier alone."""
    words = TrackWords("Digits & more", "Small pictures.", "Doe 2020, arXiv:2001.00001")
    page = pages_of(make_seeds("fa", [0.1, 0.2]), papers=Papers(tracks={"digits-fc": words}))["tracks/digits-fc.html"]
    assert "<h1>Digits &amp; more</h1>" in page
    assert "Small pictures." in page
    assert 'Source: Doe 2020, <a href="https://arxiv.org/abs/2001.00001">arXiv:2001.00001</a>.' in page


def test_the_words_of_a_field_have_no_brackets_and_dots():
    assert field_words("dataset.normalization.mean[0]") == "data set, normalization, mean 1"
    assert difference_places(["dataset.name", "dataset.std[1]", "architecture.width"]) == "data set and network"
