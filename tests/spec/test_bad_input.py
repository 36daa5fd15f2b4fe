"""Any bytes, any YAML, any mutation of a good file: a sweep, or problems with a place and a message, nothing else."""

from __future__ import annotations

import random
import resource
import string
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper.errors import SpecError
from sweeper.planning.configurations import configurations
from sweeper.spec.load import load_spec
from sweeper.spec.writer import dump
from tests.spec.sweep_texts import CONTRACT, SMALL
from tests.spec.test_wandb import ORDINARY

MANY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

KEYS = [
    "name", "description", "trainer", "base", "method", "metric", "parameters", "configs", "zip", "where",
    "constraints", "seeds", "sampler", "early_terminate", "budget", "resources", "retry", "abort", "checkpoints",
    "tracking", "extends", "expect", "run_cap", "program", "value", "values", "probabilities", "min", "max", "log",
    "step", "q", "points", "distribution", "mu", "sigma", "a", "b", "when", "goal", "impute", "trials", "wall",
    "device_hours", "type", "eta", "compare", "best", "within", "typical", "equivalent", "monotone", "against",
    "effect", "margin", "loss.beta", "x", "seed", "max_concurrent", "gpu", "uri",
]  # fmt: skip
WORDS = [
    "grid", "list", "random", "qmc", "tpe", "bayes", "minimize", "uniform", "log_uniform", "normal", "q_beta", "asha",
    "auto", "2h", "x", "loss.beta", "file.yaml", "true", "a>0", "x<1", "1/0", "../..", "increasing", "greater",
    "at_least", "nowhere.yaml",
]  # fmt: skip
NUMBERS = st.integers(-3, 9) | st.sampled_from(
    [0.5, 1e-9, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324, 2**62, -(2**62), 10**9, 1e12]
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.sampled_from(WORDS) | st.text(string.printable, max_size=6)
NAMES = st.sampled_from(KEYS) | st.text(max_size=3)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=10
)


def survives(folder: Path, content: bytes, *overrides: str) -> bool:
    """Whether the bytes are a sweep. Anything but a sweep or a well-formed refusal escapes as an error."""
    file = folder / "file.yaml"
    file.write_bytes(content)
    problems = None
    try:
        sweep = load_spec(file, overrides)
        list(islice(configurations(sweep).points, 20))
    except SpecError as error:
        problems = error.problems
    if problems is not None:
        assert problems
        assert all(problem.message and problem.where for problem in problems), problems
        return False
    (folder / "again.yaml").write_text(sweep.text, encoding="utf-8")
    assert load_spec(folder / "again.yaml") == sweep
    return True


@MANY
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    survives(tmp_path, content)


@MANY
@given(st.text(st.sampled_from("ab:- \n{}[],&*!|>'\"#%@`\t0e.?~<"), max_size=60))
def test_any_text_of_yaml_marks(tmp_path: Path, text: str) -> None:
    survives(tmp_path, text.encode())


@MANY
@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=6))
def test_any_tree_of_known_keys(tmp_path: Path, tree: dict[str, Any]) -> None:
    survives(tmp_path, dump(tree).encode("utf-8", "replace"))


@MANY
@given(
    st.dictionaries(
        st.sampled_from(["x", "y", "z.w"]), st.dictionaries(st.sampled_from(KEYS[24:37]), LEAVES), min_size=1
    )
)
def test_any_parameters(tmp_path: Path, parameters: dict[str, Any]) -> None:
    for method in ("grid", "random"):
        text = dump({"parameters": parameters, "method": method, "budget": {"trials": 3}})
        survives(tmp_path, text.encode("utf-8", "replace"))


@MANY
@given(st.randoms(use_true_random=False), st.sampled_from([CONTRACT, ORDINARY, SMALL]))
def test_any_mutation_of_a_good_file(tmp_path: Path, chance: random.Random, text: str) -> None:
    for _ in range(chance.randint(1, 4)):
        at, other = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        piece = chance.choice(
            [text[at : at + 20], chance.choice(WORDS), chance.choice(KEYS), chance.choice("{}[]:,\n\t'&*0-"), ""]
        )
        text = text[:at] + piece + text[chance.choice([at, at + 1, other]) :]
    survives(tmp_path, text.encode())


TARGETS = st.sampled_from([*KEYS, "budget.wall", "~x", "metric.goal"])
VALUES = st.sampled_from([*WORDS, "1,2", "[1,2]", "{a: 1}"]) | st.text(string.printable, max_size=8)


@MANY
@given(st.lists(st.builds("{}{}{}".format, TARGETS, st.sampled_from(["=", ""]), VALUES), max_size=3))
def test_any_override(tmp_path: Path, overrides: list[str]) -> None:
    survives(tmp_path, SMALL.encode(), *overrides)


def test_good_files_survive(tmp_path: Path) -> None:
    assert all(survives(tmp_path, text.encode()) for text in (CONTRACT, ORDINARY, SMALL))


def nested(depth: int) -> str:
    return "base: " + "{a: " * depth + "1" + "}" * depth


def parameters(count: int, keys: str) -> str:
    """Parameters p0, p1 ...; in `keys`, NEXT is the name of the following one."""
    return "parameters: {" + ", ".join(f"p{k}: {{{keys.replace('NEXT', f'p{k + 1}')}}}" for k in range(count)) + "}"


def bomb() -> str:
    levels = [f"{b}: &{b} [{','.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "a: &a [1,1,1,1,1,1,1,1,1]\n" + "\n".join(levels)


LARGE = {
    "a where of 100 kB": "where: ['" + "a + " * 25_000 + "1 > 0']",
    "100 000 clauses": "where: [" + ", ".join(["'a > 1'"] * 100_000) + "]",
    "a huge list of values": "parameters: {x: {values: [" + "1, " * 300_000 + "1]}}",
    "a name of 500 kB": f"name: {'n' * 500_000}",
    "a key of 500 kB": f"parameters: {{{'n' * 500_000}: {{values: [{'1, ' * 100_000}]}}}}",
    "deep base": nested(45),
    "deeper base": nested(5000),
    "a bomb": bomb(),
    "a grid of 10^30": parameters(10, "min: 1, max: 1000"),
    "a conditional grid of 10^30": parameters(10, "min: 1, max: 1000, when: 'NEXT > 0'"),
    "many seeds": "seeds: [" + ", ".join(map(str, range(50_000))) + "]",
    "a tiny step": "parameters: {x: {min: 0, max: 1.0, step: 1e-300}}",
    "a random search that finds nothing": "method: random\nbudget: {trials: 1000000}\nwhere: ['x > 2']\n"
    "parameters: {x: {min: 0.0, max: 1}}",
    "3 000 parameters": parameters(3000, "values: [1]"),
    "900 conditions in a row": parameters(900, "values: [1], when: 'NEXT > 0'"),
    "one duplicate key 50 000 times": "a: 1\n" * 50_000,
    "50 000 unknown keys": "\n".join(f"k{k}: 1" for k in range(50_000)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_and_hostile_files_end_soon_and_in_little_memory(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(LARGE[name])
    code = (
        "import sys; from pathlib import Path; from itertools import islice; from sweeper.errors import SpecError\n"
        "from sweeper.spec.load import load_spec as load; from sweeper.planning.configurations import configurations\n"
        "try: list(islice(configurations(load(Path(sys.argv[1]))).points, 10))\n"
        "except SpecError as error: print(len(str(error))); sys.exit(2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True,
        text=True,
        timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)),
    )
    assert done.returncode in (0, 2), done.stderr[-2000:]
