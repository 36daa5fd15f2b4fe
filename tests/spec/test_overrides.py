from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.spec.space.domains import Choice, Range
from sweeper.spec.sweep import Sweep
from sweeper.trial import Value
from tests.spec.sweep_texts import SMALL, complaint, loaded


def values(sweep: Sweep, name: str) -> tuple[Value, ...]:
    [domain] = [parameter.domain for parameter in sweep.space.parameters if parameter.name == name]
    assert isinstance(domain, Choice)
    return domain.values


def test_a_key_of_the_sweep_file_is_replaced(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL, "seeds=5", "budget.wall=30m", "resources.cpu=2", "method=random", "name=other")
    assert (len(sweep.seeds), sweep.budget.wall_s, sweep.resources.cpu) == (5, 1800, 2)
    assert (sweep.method, sweep.name) == ("random", "other")
    assert sweep.place("budget.wall") == sweep.place("seeds") == "command line"


def test_a_key_below_a_section_leaves_the_rest(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL + "budget: {trials: 7}\n", "budget.wall=1h", "metric.goal=maximize")
    assert (sweep.budget.trials, sweep.budget.wall_s) == (7, 3600)
    assert (sweep.goals[0].name, sweep.goals[0].maximize) == ("loss", True)
    assert loaded(tmp_path, "metric: x\n", "metric.goal=maximize").goals[0].maximize


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a=3", 3), ("a=1e-3", 0.001), ("a=true", True), ("a=null", None), ("a=x y", "x y"), ("a='1'", "1"),
        ('a="x,y"', "x,y"), ("a=", None), ("a=off", "off"), ("a='it''s'", "it's"), ("+a=3", 3), ("++a=3", 3),
        ("a= 3 ", 3), ("base.a=3", 3), ("parameters.a=3", 3), ("new.name=[1, 2]", [1, 2]),
        ("new.name=[[1, 2], x]", [[1, 2], "x"]),
    ],
)  # fmt: skip
def test_one_value_fixes_a_parameter(tmp_path: Path, override: str, expected: Value) -> None:
    sweep = loaded(tmp_path, SMALL, override)
    name = "new.name" if "new.name" in override else "a"
    assert sweep.base[name] == expected
    assert type(sweep.base[name]) is type(expected)
    assert name not in [parameter.name for parameter in sweep.space.parameters]
    assert sweep.place(name) == "command line"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a=0.5,1", (0.5, 1)), ("a=1,'x,y',null", (1, "x,y", None)), ("a=[3, 4]", (3, 4)),
        ("a=[1],[2,3]", ([1], [2, 3])),
        ("c=1,2", (1, 2)), ("a=f(1,2),g", ("f(1,2)", "g")),
    ],
)  # fmt: skip
def test_several_values_vary_it(tmp_path: Path, override: str, expected: tuple[Value, ...]) -> None:
    assert values(loaded(tmp_path, SMALL, override), override[0]) == expected


def test_one_key_of_a_parameter_can_be_set(tmp_path: Path) -> None:
    text = "parameters: {x.y: {min: 0.0, max: 1, points: 3}, z: {values: [1, 2]}}\n"
    sweep = loaded(tmp_path, text, "parameters.x.y.max=4", "parameters.z.values=7")
    assert sweep.space.parameters[0].domain == Range(0.0, 4, points=3)
    assert values(sweep, "z") == (7,)
    assert sweep.place("parameters.x.y.max") == "command line"
    assert sweep.place("x.y").endswith("file.yaml:1")
    assert "command line: parameters.x.y.max" in complaint(tmp_path, text, "parameters.x.y.max=z")


def test_a_setting_of_the_base_can_be_varied_and_back(tmp_path: Path) -> None:
    text = SMALL + "base: {c: 1, widths: [64, 64]}\n"
    sweep = loaded(tmp_path, text, "c=1,2")
    assert values(sweep, "c") == (1, 2)
    assert "c" not in sweep.base
    assert loaded(tmp_path, text, "widths=[32,32]").base["widths"] == [32, 32]


def test_a_varied_parameter_keeps_its_condition(tmp_path: Path) -> None:
    text = "parameters: {a: {values: [0, 1]}, b: {values: [1, 2], when: 'a > 0'}}\n"
    assert loaded(tmp_path, text, "b=5,6").space.parameters[1].when is not None


def test_a_fixed_parameter_leaves_its_group(tmp_path: Path) -> None:
    text = SMALL + "  c: {values: [5, 6]}\nzip: [[a, b, c]]\n"
    assert loaded(tmp_path, text, "a=1").space.zips == (("b", "c"),)
    assert loaded(tmp_path, text, "a=1", "b=x").space.zips == ()


def test_lists_of_the_sweep_file_take_one_or_several(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALL, "seeds=4,5").seeds == (4, 5)
    assert loaded(tmp_path, SMALL, "seeds=[4,5]").seeds == (4, 5)
    assert [clause.text for clause in loaded(tmp_path, SMALL, "where=min(a, 5) > 1").space.where] == ["min(a, 5) > 1"]
    assert len(loaded(tmp_path, SMALL, "where=a > 1,a < 5").space.where) == 2
    assert loaded(tmp_path, SMALL, "description=a, b").description == "a, b"
    assert len(loaded(tmp_path, SMALL, "metric=[{name: x, goal: maximize}, {name: y, goal: minimize}]").goals) == 2


def test_a_tilde_takes_out(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SMALL + "where: ['a > 0']\n", "~b", "~where")
    assert [parameter.name for parameter in sweep.space.parameters] == ["a"]
    assert sweep.space.where == ()
    assert "nothing of this name" in complaint(tmp_path, SMALL, "~zz")


def test_later_overrides_win(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALL, "a=1,2,3", "a=7").base["a"] == 7


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=3", "did you mean seeds?"), ("budgets.wall=3", "did you mean budget.wall?"),
        ("budget.wal=3", "did you mean wall?"),
        ("method=gird", "did you mean grid?"), ("a", "KEY=VALUE"), ("=3", "KEY=VALUE"), ("", "KEY=VALUE"),
        ("😀=3", "KEY=VALUE"),
        ("a=[1", "not closed"), ("a='x", "not closed"), ("a=1,,2", "an empty value"), ("a=1e999", "too large"),
        ("a=.nan", "finite"),
        ("a=[1]]", "command line"), ("seeds=0", "1 to 10000"), ("budget.trials=x", "a whole number"),
        ("parameters=3", "as a whole"),
        ("name=../x", "cannot be a folder"), ("where=a >", "column 4"),
        ("budget.wall.x=3", "command line"), ("a=!!python/object:os.system x", ""), ("a=['\x00']", "command line"),
        ("metric=", ""), ("zip=a", "command line"), ("a..b=1", "not a name"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_the_command_line_says_so(tmp_path: Path, override: str, words: str) -> None:
    if words:
        said = complaint(tmp_path, SMALL, override)
        assert "command line" in said
        assert words in said
    else:
        loaded(tmp_path, SMALL, override)


def test_all_overrides_are_judged_at_once(tmp_path: Path) -> None:
    said = complaint(tmp_path, SMALL, "seed=3", "a=[", "b=1e999")
    assert said.count("command line") == 3


def test_the_command_line_can_repair_a_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALL + "seeds: x\n", "seeds=2").seeds == (0, 1)


def test_a_mapping_on_the_command_line_is_nested_settings_or_a_value_of_a_parameter_that_has_such(
    tmp_path: Path,
) -> None:
    assert loaded(tmp_path, SMALL, "opt={lr: 0.1, name: {x: 1}}").base == {"opt.lr": 0.1, "opt.name.x": 1}
    sweep = loaded(tmp_path, SMALL + "  opt: {values: [{lr: 1, b: 2}, {lr: 2}]}\n", 'opt={"b": 2, "lr": 1}')
    assert sweep.base == {"opt": {"b": 2, "lr": 1}}
    several = loaded(tmp_path, SMALL, "opt={lr: 1},{lr: 2}")
    assert several.space.parameters[-1].domain == Choice(({"lr": 1}, {"lr": 2}))
