from __future__ import annotations

import pytest

from sweeper.errors import SpecError
from sweeper.spec.document import above, parse, scalar


def complaint(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 100000.0), ("-.5", -0.5), ("1.", 1.0), ("0o17", 15), ("0x1F", 31), ("007", 7),
        ("+3", 3), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
    ],
)  # fmt: skip
def test_scalars_follow_the_yaml_1_2_core_schema(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize("text", ["off", "yes", "No", "on", "1_000", "1:30", "0b1", "1e", "e5", "2026-11-22", "1.2.3"])
def test_what_only_yaml_1_1_converts_stays_a_text(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize("text", ["1e400", "-1e999", ".inf", "-.Inf", ".nan", "9" * 19, "9" * 5000, "0o" + "7" * 30])
def test_numbers_that_no_json_can_hold_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        scalar(text)
    assert "f.yaml:2: b" in complaint(f"a: 1\nb: {text}\n")


def test_every_key_knows_its_line_and_column() -> None:
    document = parse("a: 1\nb:\n  c: {d: 2}\n  e: [1, {f: 3}]\n", "f.yaml")
    assert str(document.places["b.c.d"]) == "f.yaml:3"
    assert document.places["b.c.d"].column == 7
    assert str(document.place("b.e[1].f")) == "f.yaml:4"
    assert str(document.place("b.e[7].g.h")) == "f.yaml:4"
    assert str(document.place("nothing")) == "f.yaml:1"


def test_quoted_numbers_stay_texts() -> None:
    assert parse("a: ['1', \"1e3\", 'true']", "f").tree == {"a": ["1", "1e3", "true"]}


def test_the_standard_tags_of_yaml_work_and_must_be_true() -> None:
    tree = parse("a: !!float 1e-5\nb: !!float 3\nc: !!str 3\nd: !!int '4'\ne: !!bool true\n", "f").tree
    assert [repr(value) for value in tree.values()] == ["1e-05", "3.0", "'3'", "4", "True"]
    assert "!!int" in complaint("a: !!int x")
    assert "not allowed" in complaint("a: !!python/tuple [1]")
    assert "not allowed" in complaint("a: !mine 1")


def test_a_duplicate_key_names_both_lines() -> None:
    said = complaint("a: 1\nb: 2\na: 3\n")
    assert "f.yaml:3: a" in said
    assert "f.yaml:1" in said


def test_all_problems_of_form_are_reported_at_once() -> None:
    said = complaint("a: 1e400\nb: !!python/object:os.system ls\nc: 1\nc: 2\n<<: {x: 1}\n")
    assert all(f"f.yaml:{line}" in said for line in (1, 2, 4, 5))


def test_a_tab_is_called_a_tab() -> None:
    assert "a tab in the indentation" in complaint("a:\n\tb: 1\n")
    assert "a tab in the indentation" in complaint("a: 1\n\tb: 1\n")


@pytest.mark.parametrize(
    "text", ["a: 'x", "a: [1, 2", "a: b: c", "a: @x", "{", "a: \x00", "a: *x", "&a [*a]", "? [1]\n: 2", "%"]
)
def test_broken_yaml_is_refused_with_its_line(text: str) -> None:
    assert "f.yaml:1" in complaint(text)


@pytest.mark.parametrize(("text", "word"), [("", "empty"), ("# only\n", "empty"), ("- 1\n", "a list"), ("3\n", "3")])
def test_a_file_that_holds_no_mapping_is_refused(text: str, word: str) -> None:
    assert word in complaint(text)


def test_a_second_document_is_refused() -> None:
    assert "f.yaml:2" in complaint("a: 1\n---\nb: 2\n")
    assert parse("---\na: 1\n...\n", "f").tree == {"a": 1}


@pytest.mark.parametrize("text", ["[" * 900_000, "{a: " * 200_000, "- " * 400_000, "[[" * 200_000])
@pytest.mark.timeout(30)  # a parser that enters it takes minutes
def test_deep_nesting_is_refused_before_it_is_parsed(text: str) -> None:
    assert "deep" in complaint(text)


def test_aliases_work_but_a_bomb_of_them_does_not_go_off() -> None:
    assert parse("a: &x [1, 2]\nb: *x\n", "f").tree["b"] == [1, 2]
    levels = [f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join(['*' + chr(97 + k)] * 9)}]" for k in range(9)]
    assert "aliases" in complaint("a: &a [1, 1, 1]\n" + "\n".join(levels))


def test_an_edit_of_one_alias_leaves_the_other() -> None:
    tree = parse("a: &x {k: [1]}\nb: *x\n", "f").tree
    tree["a"]["k"].append(2)
    assert tree["b"] == {"k": [1]}


def test_a_key_of_kilobytes_is_refused() -> None:
    assert "too long" in complaint(f"{'k' * 900}: 1")


def test_paths_climb_one_level_at_a_time() -> None:
    assert [above("a.b[0]"), above("a.b"), above("a")] == ["a.b", "a", ""]
