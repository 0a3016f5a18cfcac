"""Oracle: what YAML 1.2 says, and the limits stated in ``benchsuite.specs.loading.tree``."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.errors import SpecError
from benchsuite.specs.loading import tree
from benchsuite.specs.loading.library import builtin_folder
from benchsuite.specs.loading.tree import MAX_FILE_BYTES, Mark, from_plain, parse, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("3E+4", 3e4),
        ("-.5", -0.5),
        ("12", 12),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("010", 10),
        ("1_000", "1_000"),
        ("2026-11-21", "2026-11-21"),
        ("~", None),
        ("'1'", "1"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """Catches a learning rate of ``1e-3`` read as text, and a country code 'no' read as false."""
    found = parse(f"field: {text}", "f.yaml").plain()["field"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_place() -> None:
    node = parse("a:\n  b: [1,\n      2]\n", "f.yaml")
    steps = list(node.along(("a", "b", 1)))
    assert steps[-1][1].mark == Mark("f.yaml", 3, 7)
    assert node.value["a"].keys["b"] == Mark("f.yaml", 2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("a: [1, 2", "not valid YAML"),
        ("a: 1\na: 2", "is given twice"),
        ("a: !!python/object/apply:os.system [ls]", "not allowed"),
        ("? [1]\n: 2", "must be a word"),
        ("a: *nowhere", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("- " * 100 + "x", "nested too deeply"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_not_a_spec_is_one_problem_with_a_place(text: str, message: str) -> None:
    with pytest.raises(SpecError, match="problem") as caught:
        parse(text, "f.yaml")
    assert message in str(caught.value)
    assert "f.yaml" in str(caught.value)
    assert len(caught.value.problems) == 1


def test_an_alias_bomb_is_refused_at_once() -> None:
    """Nine levels of ten aliases would expand to a billion values."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    started = time.perf_counter()
    with pytest.raises(SpecError, match="expands to more than"):
        parse("\n".join(lines), "bomb.yaml")
    assert time.perf_counter() - started < 20


def test_a_recursive_alias_is_refused() -> None:
    with pytest.raises(SpecError, match="nested too deeply"):
        parse("a: &a [*a]", "loop.yaml")


def test_a_ten_megabyte_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: " + b"x" * (10 * MAX_FILE_BYTES))
    with pytest.raises(SpecError, match="nothing was read"):
        read(path)


@pytest.mark.parametrize("name", ["missing.yaml", "folder.yaml", "binary.yaml"])
def test_what_cannot_be_read_is_a_problem_not_a_crash(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SpecError, match=name):
        read(tmp_path / name)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


@given(plain, plain)
def test_merging_keeps_all_that_is_not_replaced(below: object, above: object) -> None:
    """Oracle: a merge written on plain data."""

    def merge(one: object, two: object) -> object:
        if isinstance(one, dict) and isinstance(two, dict):
            return {
                k: merge(one[k], two[k]) if k in one and k in two else two.get(k, one.get(k)) for k in {**one, **two}
            }
        return two

    mark = Mark(None)
    assert from_plain(below, mark).merged(from_plain(above, mark)).plain() == merge(below, above)


def test_another_kind_replaces_instead_of_merging() -> None:
    """Catches sgd's momentum ending up in an adam spec."""
    below = parse("{kind: sgd, learning_rate: 0.1, momentum: 0.9}", None)
    above = parse("{kind: adam, learning_rate: 0.001}", None)
    assert below.merged(above).plain() == {"kind": "adam", "learning_rate": 0.001}


@pytest.mark.parametrize("kind", ["tracks", "claims"])
def test_libyaml_reads_the_same_values_at_the_same_places(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a message that names another line, and a number read as a word, only where PyYAML has libyaml."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((builtin_folder() / kind).glob("*.yaml"))[::4]]
    fast = [parse.__wrapped__(text, "f.yaml") for text in texts]
    monkeypatch.setattr(tree, "_FastLoader", tree._Loader)
    assert fast == [parse.__wrapped__(text, "f.yaml") for text in texts]


@pytest.mark.parametrize("text", ["- " * 200_000 + "x", "[" * 100_000, "? " * 200_000])
def test_nesting_that_would_overflow_libyamls_stack_is_a_problem(text: str) -> None:
    """Catches the end of the whole process: libyaml's composer recurses in C without a limit."""
    with pytest.raises(SpecError, match="nested too deeply"):
        parse(text, "deep.yaml")
