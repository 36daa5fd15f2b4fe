from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.sweep_texts import SMALL, complaint, loaded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parameters: {x: {min: 0.0, max: 1}}", "add points: 5"),
        ("parameters: {x: {mu: 0}}", "no finite list"),
        ("parameters: {x: {min: 1, max: 99, log: true}}", "no finite list"),
        ("parameters: {x: {min: 1, max: 9999}, y: {min: 1, max: 9999}}", "too large"),
        ("parameters: {x: {min: 0.0, max: 1, step: 1e-9}}", "too large"),
        ("parameters: {x: {min: 1, max: 100000}}\nseeds: 10000", "100000 configurations x 10000 seeds"),
        ("method: list\nconfigs: [" + "{a: 1}, " * 101 + "]\nseeds: 10000", "101 configurations x 10000 seeds"),
        ("method: list", "needs configs"),
        ("method: tpe\nparameters: {x: {min: 0.0, max: 1}}", "needs a metric"),
        ("early_terminate: {type: asha}\nparameters: {x: {values: [1, 2]}}", "needs a metric"),
        ("parameters: {x: {values: [1, 2]}, y: {values: [1, 2, 3]}}\nzip: [[x, y]]", "x: 2, y: 3"),
        ("parameters: {x: {values: [1, 2]}}\nzip: [[x, z]]", "not a parameter that varies"),
        ("parameters: {x: {values: [1, 2]}, y: {values: [1, 2]}}\nzip: [[x, y], [z, y]]", "one group, once"),
        ("parameters: {xxx: {values: [1, 2]}, xy: {values: [1, 2]}}\nzip: [[xy, xxz]]", "did you mean"),
        ("parameters: {x: {values: [1, 2]}, y: {values: [1, 2]}}\nzip: [[x, y], [y, x]]", "one group, once"),
        ("parameters: {x: {values: [1, 2]}, y: {values: [1, 2]}}\nzip: [[x, x]]", "one group, once"),
        ("method: random\nparameters: {x: {values: [1, 2]}, y: {min: 0.1, max: 1}}\nzip: [[x, y]]", "no finite list"),
        (
            "parameters: {x: {values: [1, 2]}, y: {values: [1, 2], when: 'x > 1'}}\nzip: [[x, y]]",
            "depend on each other",
        ),
        ("parameters: {x: {values: [1, 2], when: 'y > 1'}, y: {values: [1, 2], when: 'x > 1'}}", "circular"),
        ("parameters: {x: {values: [1, 2]}}\nexpect: [{name: n, metric: m, compare: {xx: [1, 2]}}]", "did you mean x?"),
        ("parameters: {x: {values: [1, 2]}}\nexpect: [{name: n, metric: m, monotone: {y: increasing}}]", "monotone"),
        (
            "parameters: {x: {values: [1, 2]}, y: {values: [1, 2]}}\n"
            "expect: [{name: n, metric: m, interaction: {x: [1, 2], yy: [1, 2]}}]",
            'found: "yy"\n  allowed: x, y\n  hint: did you mean y?',
        ),
        (
            "parameters: {x: {values: [1, 2]}, y: {values: [1, 2]}}\n"
            "expect: [{name: n, metric: m, interaction: {x: [1, 2], y: [1, 3]}}]",
            "y never takes this value\n  found: 3\n  allowed: [1, 2]",
        ),
        ("parameters: {x: {values: [0, 1]}}\nwhere: ['1 / x > 0']", "division by zero"),
        ("parameters: {x: {values: [a, b]}}\nwhere: ['x > 0']", "needs two numbers"),
        ("parameters: {x: {values: [1, 2]}}\nwhere: ['x + 1']", "must be true or false"),
        ("parameters: {x: {values: [1, 2]}, y: {values: [1], when: 'x'}}", "must be true or false"),
    ],
)
def test_a_sweep_that_is_impossible_as_a_whole_is_refused(tmp_path: Path, text: str, words: str) -> None:
    said = complaint(tmp_path, text)
    assert "file.yaml:" in said
    assert words in said


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lower", "less"),
        ("higher", "greater"),
        ("grater", "greater"),
        ("not_less", "not_lower"),
        ("not_more", "not_higher"),
    ],
)
def test_the_word_that_is_proposed_never_claims_the_opposite(tmp_path: Path, word: str, meant: str) -> None:
    claim = f"expect: [{{name: n, metric: m, compare: {{x: [1, 2]}}, effect: {word}}}]"
    assert f"did you mean {meant}?" in complaint(tmp_path, f"parameters: {{x: {{values: [1, 2]}}}}\n{claim}")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("parameters: {x: {values: [3]}}", 1, "value: 3"),
        ("parameters: {x: {min: 0, max: 1}}", 1, "write max: 1.0"),
        ("parameters: {x: {min: 0, max: 3, points: 9}}", 1, "only 4 values, since whole bounds mean whole numbers"),
        ("parameters: {x: {min: 1, max: 1}}", 1, "a single value does not vary"),
        ("parameters: {x: {values: [1, 2, 1.0]}}", 1, "given twice"),
        ("seeds: [1, 2, 1]", 1, "a seed is given twice"),
        ("parameters: {x: {values: [1, 2]}}\nbase: {x: 3}", 2, "no effect"),
        ("method: random\nparameters: {x: {min: 0.1, max: 1, points: 3}}", 2, "points has no effect"),
        ("parameters: {x: {values: [1, 2], probabilities: [0.5, 0.5]}}", 1, "no effect with method: grid"),
        ("configs: [{x: 1}]", 1, "no effect with method: grid"),
        ("method: list\nconfigs: [{x: 1}]\nparameters: {x: {values: [1, 2]}}", 3, "no effect with method: list"),
        ("parameters: {x: {values: [1, 2]}}\nbase: {z: 1}\nzip: [[x, z]]", 3, "no effect: this is not a parameter"),
        ("parameters: {xyz: {values: [1, 2]}}\nzip: [[xyy, zzz]]", 2, "did you mean xyz?"),
        ("metric: loss", 1, "minimize is assumed"),
        ("base:\n  x: off", 2, "true and false"),
        ("parameters: {x: {values: [None, relu]}}", 1, "looks like something else"),
        ("parameters: {x: {values: ['true', 'false']}}", 1, "looks like something else"),
        ("parameters: {x: {values: [1, 2]}}\nexpect: [{name: n, metric: m, compare: {x: [1, 3]}}]", 2, "never takes"),
        ("base:\n  x: '1e-4'", 2, "looks like a number"),
        ("parameters: {x: {values: ['16', '32']}}", 1, "looks like a number"),
        ("parameters: {x: {values: [1, 2]}}\nwhere: ['x > 5']", 2, "no configuration is left"),
        ("method: random\nparameters: {x: {min: 0.0, max: 1}}\nwhere: ['x > 5']", 3, "no configuration is left"),
        ("method: list\nconfigs: [{x: 1}]\nwhere: ['x > 5']", 3, "no configuration is left"),
    ],
)
def test_what_is_legal_but_surely_not_meant_is_a_warning(tmp_path: Path, text: str, line: int, words: str) -> None:
    warnings = loaded(tmp_path, text).warnings
    assert any(words in str(warning) for warning in warnings)
    assert any(warning.where.endswith(f"file.yaml:{line}") for warning in warnings)


@pytest.mark.parametrize("keys", ["min: 0.0, max: 1, points: 2", "min: 1, max: 8", "min: 0, max: 4, step: 2"])
def test_a_range_that_is_meant_as_it_stands_has_no_warning(tmp_path: Path, keys: str) -> None:
    assert loaded(tmp_path, f"metric: {{name: loss, goal: minimize}}\nparameters: {{x: {{{keys}}}}}").warnings == ()


def test_an_ordinary_file_has_no_warnings(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALL).warnings == ()
    assert loaded(tmp_path, SMALL + "base: {c: 1}\n  \n").warnings == ()
