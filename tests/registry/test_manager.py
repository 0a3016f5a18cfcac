"""Oracle: the manual in ``benchsuite.registry.hookspecs``."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from benchsuite.api.listing import list_plugins
from benchsuite.errors import PluginError, SpecError
from benchsuite.execution.events import send_event
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.process import STOP_SIGNALS
from benchsuite.registry import hookimpl, manager
from benchsuite.registry.checks import is_meant_for_us
from benchsuite.registry.manager import Registry, build_registry
from benchsuite.registry.sources import source_hash
from benchsuite.version import CONTRACT_VERSION

GOOD = """
from benchsuite.plugin import ReplacedFeedbackRule, RuleTraits, hookimpl

BENCHSUITE_CONTRACT = 1

class Mine(ReplacedFeedbackRule):
    name = "mine"
    traits = RuleTraits(mechanism="replaced_feedback", source="a test")

@hookimpl
def benchsuite_rules():
    return [Mine]
"""


class Plugins:
    """Plugin modules written for a test, as entry points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points: list[EntryPoint] = []

    def add(self, name: str, source: str) -> None:
        (self.folder / f"plugin_{self.folder.name}_{name}.py".replace("-", "_")).write_text(source)
        self.points.append(EntryPoint(name, f"plugin_{self.folder.name}_{name}".replace("-", "_"), "benchsuite"))

    def registry(self) -> Registry:
        return build_registry([*entry_points(group="benchsuite"), *self.points])


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    monkeypatch.syspath_prepend(tmp_path)
    return Plugins(tmp_path)


def test_a_foreign_rule_is_loaded_as_our_own_are(plugins: Plugins) -> None:
    plugins.add("good", GOOD)
    registry = plugins.registry()
    assert registry.rule("mine").name == "mine"
    assert registry.failures == []
    assert registry.origins["rule", "mine"].plugin == "good"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_module_that_is_not_installed", "No module named 'a_module_that_is_not_installed'"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        (GOOD.replace("@hookimpl", ""), "'benchsuite_rules' is not marked as a hook, so it is never called"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        (GOOD.replace("return [Mine]", "raise KeyboardInterrupt"), "KeyboardInterrupt"),
        ("def broken(:", "SyntaxError"),
        (GOOD.replace("BENCHSUITE_CONTRACT = 1", ""), "declares no contract version; add BENCHSUITE_CONTRACT = 2"),
        (
            GOOD.replace("BENCHSUITE_CONTRACT = 1", "BENCHSUITE_CONTRACT = 99"),
            f"was written for contract 99, this benchsuite has contract {CONTRACT_VERSION}",
        ),
        (GOOD.replace("def benchsuite_rules", "def benchsuite_rulez"), "did you mean 'benchsuite_rules'?"),
        (GOOD.replace("return [Mine]", "return [Mine()]"), "not a subclass of benchsuite.credit.rule.Rule"),
        (GOOD.replace("return [Mine]", "return 1 / 0"), "hook 'benchsuite_rules' failed: ZeroDivisionError"),
        (GOOD.replace("return [Mine]", "return Mine"), "hook 'benchsuite_rules'"),
        (GOOD.replace('name = "mine"', ""), "has no class attribute 'name'"),
        (GOOD.replace("traits = RuleTraits", "trait = RuleTraits"), "has no class attribute 'traits'"),
        (
            GOOD.replace("(ReplacedFeedbackRule)", "(__import__('benchsuite.credit.rule').credit.rule.Rule)"),
            "lacks assign_credit",
        ),
        (GOOD.replace("def benchsuite_rules():", "def benchsuite_rules(wrong_argument):"), "wrong_argument"),
    ],
)
def test_a_broken_plugin_is_left_out_with_its_reason_and_the_others_work(
    plugins: Plugins, source: str, reason: str
) -> None:
    plugins.add("broken", source)
    plugins.add("good", GOOD.replace('"mine"', '"sound"'))
    registry = plugins.registry()
    (failure,) = registry.failures
    assert reason in failure.reason
    assert failure.origin.plugin == "broken"
    assert {"backprop", "sound"} <= set(registry.rules)
    assert "mine" not in registry.rules


def test_a_plugin_works_once_its_missing_dependency_is_installed(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a reason of yesterday that ``list`` still shows from a file."""
    needed = "needed_by_" + plugins.folder.name.replace("-", "_")
    plugins.add("needy", f"import {needed}\n" + GOOD)
    monkeypatch.setattr(manager, "installed_registry", plugins.registry)
    (before,) = (entry for entry in list_plugins() if entry.name == "needy")
    assert f"No module named '{needed}'" in before.summary
    (plugins.folder / f"{needed}.py").write_text("")
    importlib.invalidate_caches()
    (after,) = (entry for entry in list_plugins() if entry.name == "needy")
    assert after.summary == "works"


@pytest.mark.parametrize(
    ("module", "group", "reason"),
    [
        ("plugin_{}_good", "benchsuit", "its entry point is in the group 'benchsuit', not 'benchsuite'; correct its"),
        (
            "plugin_{}_goods",
            "benchsuite",
            "_goods'; the entry point names it: correct its pyproject.toml and install it",
        ),
        ("benchsuite_nobody.rule", "benchsuite", "No module named 'benchsuite_nobody'; the entry point names it"),
    ],
)
def test_a_misspelt_entry_point_is_told_with_what_to_do(plugins: Plugins, module: str, group: str, reason: str) -> None:
    """Catches `doctor` without a problem while the rule is nowhere, and an author who does not install again."""
    plugins.add("good", GOOD)
    name = plugins.folder.name.replace("-", "_")
    registry = build_registry([EntryPoint("good", module.format(name), group)])
    (failure,) = registry.failures
    assert reason in failure.reason
    with pytest.raises(PluginError, match="rule 'good': its plugin good"):
        registry.rule("good")


def test_groups_of_other_packages_are_none_of_ours() -> None:
    """Catches plugins of others that are called misspelt."""
    groups = [
        "benchsuit",
        "benchsuites",
        "bench_suite",
        "benchmark",
        "testsuite",
        "benchopt",
        "console_scripts",
        "suite",
    ]
    assert [group for group in groups if is_meant_for_us(group)] == ["benchsuit", "benchsuites", "bench_suite"]


def test_asking_for_a_rule_whose_plugin_is_broken_says_why(plugins: Plugins) -> None:
    plugins.add("mine", "import a_module_that_is_not_installed")
    with pytest.raises(PluginError, match="a_module_that_is_not_installed"):
        plugins.registry().rule("mine")


def test_two_rules_of_one_name_are_both_refused_with_both_origins(plugins: Plugins) -> None:
    plugins.add("first", GOOD)
    plugins.add("second", GOOD)
    plugins.add("third", GOOD)
    registry = plugins.registry()
    with pytest.raises(PluginError) as caught:
        registry.rule("mine")
    for name in ("first", "second", "third"):
        assert f"{name} (" in str(caught.value)
    assert "backprop" in registry.rules


@pytest.mark.parametrize(
    ("kind", "name", "source"),
    [
        ("rule", "backprop", GOOD.replace('"mine"', '"backprop"')),
        ("dataset", "digits", GOOD + "\n@hookimpl\ndef benchsuite_datasets():\n    return {'digits': print}\n"),
    ],
)
def test_a_plugin_cannot_take_a_name_of_the_suites_own(
    plugins: Plugins, registry: Registry, kind: str, name: str, source: str
) -> None:
    """Catches a table in which 'backprop' is not backprop, and one in which nobody has it any more."""
    plugins.add("a_first_in_order", source)
    found = plugins.registry()
    assert found.table(kind)[name] is registry.table(kind)[name]
    (problem,) = found.problems()
    assert "a_first_in_order (no distribution" in problem
    assert f"{kind} '{name}' is benchsuite's own" in problem
    assert "mine" not in found.rules


def test_a_plugin_that_provides_a_name_twice_is_left_out(plugins: Plugins) -> None:
    """Catches the second of two rules of one name that silently replaces the first."""
    plugins.add("twice", GOOD.replace("return [Mine]", "return [Mine, Mine]"))
    (problem,) = plugins.registry().problems()
    assert "provides two rules of the name 'mine'" in problem


def test_ctrl_c_while_a_plugin_is_loaded_stops_the_command(plugins: Plugins) -> None:
    """Catches a person's Ctrl-C that is held against the plugin which was being imported, and ignored."""
    plugins.add("slow", "import signal\nsignal.raise_signal(signal.SIGINT)\n" + GOOD)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        plugins.registry()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("entry_point", "source", "says"),
    [
        (
            "some_rules",
            GOOD.replace('"mine"', '"mien"') + "\n@hookimpl\ndef benchsuite_specs(): 1 / 0\n",
            "its plugin some_r",
        ),
        ("mien", "raise OSError", "its plugin mien (no distribution"),
        ("unknown", "raise OSError", "plugins that were left out may have it: unknown (no distribution)"),
    ],
)
def test_no_rule_of_a_name_says_which_plugin_may_have_had_it(
    plugins: Plugins, entry_point: str, source: str, says: str
) -> None:
    """Catches a person who looks for a spelling mistake where a plugin does not load."""
    plugins.add(entry_point, source)
    plugins.add("fine", GOOD)
    with pytest.raises(PluginError) as caught:
        plugins.registry().rule("mien")
    assert says in str(caught.value)


def test_nothing_of_a_plugin_is_kept_if_part_of_it_is_wrong(plugins: Plugins) -> None:
    plugins.add("half", GOOD + "\n@hookimpl\ndef benchsuite_specs():\n    raise OSError('no folder')\n")
    registry = plugins.registry()
    assert "mine" not in registry.rules
    assert "no folder" in registry.failures[0].reason


def test_all_kinds_of_contributions_are_collected(plugins: Plugins, tmp_path: Path) -> None:
    plugins.add(
        "all",
        GOOD
        + f"""
from pathlib import Path
from benchsuite.plugin import Diagnostic
class Count(Diagnostic):
    name = "count"
    summary = "How many."
    def measure(self, rule, batch):
        return {{None: float(len(batch.targets))}}
@hookimpl
def benchsuite_specs():
    return [Path({str(tmp_path)!r})]
@hookimpl
def benchsuite_datasets():
    return {{"own": lambda options, root: None}}
@hookimpl
def benchsuite_architectures():
    return {{"own": lambda options, shape, classes: None}}
@hookimpl
def benchsuite_diagnostics():
    return [Count]
""",
    )
    registry = plugins.registry()
    assert registry.failures == []
    assert registry.diagnostic("count").summary == "How many."
    assert set(registry.architectures) == {"own"}
    assert registry.origins["dataset", "own"].plugin == "all"
    assert registry.origins["dataset", "mnist"].plugin == "datasets"
    assert [folder for folder, _ in registry.spec_folders] == [tmp_path]


def test_a_wrong_hyperparameter_is_named_with_the_right_ones(registry: Registry) -> None:
    with pytest.raises(SpecError) as caught:
        registry.rule_config("direct_feedback_alignment", {"rnage": 1, "sign": "positive"})
    assert "did you mean 'range'?" in str(caught.value)
    assert "found 'positive'" in str(caught.value)


def test_the_source_hash_follows_the_rules_own_modules(plugins: Plugins, registry: Registry) -> None:
    """Catches a changed rule whose old results are taken for its own."""
    plugins.add("one", GOOD)
    plugins.add("two", GOOD.replace('"mine"', '"changed"'))
    found = plugins.registry()
    hashes = {source_hash(found.rule(name)) for name in ("mine", "changed", "backprop", "feedback_alignment")}
    assert len(hashes) == 4
    assert source_hash(registry.rule("backprop")) == source_hash(found.rule("backprop"))


def test_an_optional_hook_of_a_later_version_is_let_through(plugins: Plugins) -> None:
    """Catches a plugin refused for a hook that it marks as one this version need not have."""
    later = "\n@hookimpl(optionalhook=True)\ndef benchsuite_later():\n    return None\n"
    plugins.add("good", GOOD + later)
    assert plugins.registry().failures == []


def test_a_misspelt_hook_is_held_against_its_own_plugin_only(plugins: Plugins) -> None:
    """Catches a plugin that is refused for a name which one before it got wrong."""
    plugins.add("a_wrong", GOOD.replace("def benchsuite_rules", "def benchsuite_rulez"))
    plugins.add("b_right", GOOD)
    registry = plugins.registry()
    assert [failure.origin.plugin for failure in registry.failures] == ["a_wrong"]
    assert registry.rule("mine").name == "mine"


def test_an_event_reaches_every_plugin_whatever_one_of_them_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Catches a wrapper that is called as a plain function, and a plugin's ``sys.exit`` that ends all runs."""
    seen: list[str] = []

    class Wrapping:
        @hookimpl(wrapper=True)
        def benchsuite_run_failed(self, record: object) -> Iterator[None]:
            seen.append("before")
            result = yield
            seen.append("after")
            return result

    class Broken:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        @hookimpl
        def benchsuite_run_failed(self) -> None:
            raise self.error

    plugins = build_registry([]).manager
    plugins.register(Wrapping(), "wrapping")
    for error in (RuntimeError("full disk"), SystemExit(5), KeyboardInterrupt()):
        plugins.register(Broken(error), f"broken by {type(error).__name__}")
    send_event(plugins, "benchsuite_run_failed", record=None)
    assert seen == ["before", "after"]
    assert "broken by RuntimeError failed in benchsuite_run_failed: RuntimeError: full disk" in caplog.text
    assert "broken by SystemExit failed in benchsuite_run_failed: SystemExit: 5" in caplog.text
    assert "broken by KeyboardInterrupt failed" in caplog.text


@pytest.mark.usefixtures("signals_interrupt")
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_to_stop_in_an_event_stops_the_run(number: signal.Signals) -> None:
    """Catches a person or a system that cannot stop a run while a plugin writes its log."""

    class Slow:
        @hookimpl
        def benchsuite_run_failed(self) -> None:
            signal.raise_signal(number)

    plugins = build_registry([]).manager
    plugins.register(Slow(), "slow")
    with sigterm_as_interrupt(), pytest.raises(KeyboardInterrupt):
        send_event(plugins, "benchsuite_run_failed", record=None)
