"""The table of settings and its check."""

import math
import subprocess
import sys
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.cvae.config import DEFAULTS, DESCRIPTIONS, METRICS, SettingProblem, build, check, irrelevant, shape
from sweeper.cvae.settings import Setting
from sweeper.cvae.terms import TERM_OF_WEIGHT
from sweeper.trainer.metric_ranges import declared_ranges

TEN = ("task.name", "task.modulus", "model.latents", "model.width", "loss.beta", "loss.reduction", "train.steps")


def test_the_defaults_are_legal_and_build_the_default_configuration():
    assert check(DEFAULTS) == []
    assert build(DEFAULTS) == build({})


def test_every_setting_and_metric_is_described_in_one_line():
    assert DESCRIPTIONS.keys() == DEFAULTS.keys()
    for text in (*DESCRIPTIONS.values(), *METRICS.values()):
        assert text
        assert "\n" not in text


def test_every_default_weight_is_constant():
    kinds = [value for key, value in DEFAULTS.items() if key.endswith(".kind")]
    assert kinds == ["constant"] * len(TERM_OF_WEIGHT)


def test_all_problems_are_found_at_once():
    found = check({"loss.betta": 1, "loss.beta": True, "train.steps": 2.5, "task.name": "chess", "train.warmup": 2})
    assert [problem.key for problem in found] == [
        "loss.betta",
        "loss.beta",
        "train.steps",
        "task.name",
        "train.warmup",
    ]


def test_an_unknown_name_is_answered_with_the_nearest_one():
    (problem,) = check({"loss.betta": 1})
    assert "did you mean loss.beta?" in problem.allowed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("loss.beta", True),
        ("loss.beta", "1"),
        ("loss.beta", math.nan),
        ("loss.beta", math.inf),
        ("loss.beta", -0.1),
        ("loss.beta", None),
        ("train.steps", 0),
        ("train.steps", 10.5),
        ("model.latents", 0),
        ("task.name", None),
        ("train.stop_when", "accuracy >= 0.9"),
        ("train.stop_when", 0.9),
    ],
)
def test_a_wrong_value_is_one_problem_that_says_what_is_allowed(key, value):
    (problem,) = check({key: value})
    assert problem.key == key
    assert problem.allowed
    assert str(problem).startswith(f"{key}: found")


def test_whole_floats_are_integers_and_integers_are_floats():
    config = build({"train.steps": 3.0, "loss.beta": 2})
    assert (config.train.steps, type(config.train.steps)) == (3, int)
    assert (config.loss.beta, type(config.loss.beta)) == (2.0, float)


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"model.heads": 3}, "model.width"),
        ({"model.width": 66}, "model.width"),
        ({"task.strategies": 7}, "task.strategies"),
        ({"task.strategies": 8, "task.name": "detour"}, "task.strategies"),
        ({"loss.schedules.beta.kind": "linear", "loss.schedules.beta.end": 0.0}, "loss.schedules.beta.start"),
    ],
)
def test_rules_between_settings_are_checked(params, key):
    assert key in [problem.key for problem in check(params)]


def test_four_operators_have_twenty_four_strategies():
    assert check({"task.operators": 4, "task.strategies": 24}) == []


def test_build_refuses_with_every_problem():
    with pytest.raises(ValueError, match=r"loss\.beta.*train\.steps"):
        build({"loss.beta": -1, "train.steps": 0})


def test_settings_without_effect_are_named():
    assert irrelevant({"task.reveal": "marker", "loss.beta": 1}) == ["task.reveal"]
    assert irrelevant({"model.router": "bayes", "train.router_lr_scale": 2}) == ["train.router_lr_scale"]
    assert irrelevant({"task.name": "detour", "task.reveal": "marker"}) == []
    assert irrelevant({"task.skew_by": "prompt", "loss.schedules.beta.end": 0.5}) == [
        "loss.schedules.beta.end",
        "task.skew_by",
    ]


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.one_of(st.none(), st.booleans(), st.floats(), st.text())))
def test_check_never_raises_and_build_agrees_with_it(params):
    if check(params):
        with pytest.raises(ValueError):
            build(params)
    else:
        build(params)


def test_a_problem_is_a_value():
    assert SettingProblem("a", 1, "b") == SettingProblem("a", 1, "b")
    assert Setting(1, "", low=0, high=2).allowed == "an integer from 0 to 2"


def test_checking_ten_settings_takes_microseconds():
    params = {
        key: DEFAULTS[key] for key in (*TEN, "train.learning_rate", "loss.router_support_weight", "train.clip_norm")
    }
    best = min(timeit.repeat(lambda: check(params), number=2000, repeat=5)) / 2000
    assert best < 30e-6 * 3, "three times the goal, for a busy machine"


def test_the_configuration_loads_without_torch():
    code = "import sys, sweeper.cvae.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_offers_its_main_names():
    from sweeper.cvae import CVAEConfig, SharedDiscreteCVAE, inter_latent_jsd_loss

    assert CVAEConfig().loss.beta == 1
    assert callable(inter_latent_jsd_loss)
    assert SharedDiscreteCVAE.__name__ == "SharedDiscreteCVAE"


def test_trials_of_one_shape_differ_in_weights_seeds_and_optimiser_only():
    free = {"loss.beta": 0.3, "loss.schedules.beta.kind": "cosine", "seed": 7, "train.learning_rate": 1e-3}
    free |= {"train.steps": 5, "train.report_every": 2, "train.stop_when": "nll <= 1", "train.clip_norm": 2}
    assert shape(free) == shape({}) == ""
    assert shape({"model.width": 32.0} | free) == shape({"model.width": 32})
    fixed = {"model.width": 32, "task.modulus": 9, "train.batch_size": 8, "loss.reduction": "mean"}
    fixed |= {"train.test_prompts": 9, "train.device": "cpu", "model.router": "bayes"}
    shapes = {shape({key: value}) for key, value in fixed.items()}
    assert len(shapes) == len(fixed)
    assert shape(fixed) == shape(dict(reversed(fixed.items())))


def test_the_metrics_of_the_test_split_declare_the_ranges_of_those_they_repeat():
    ranges = declared_ranges(METRICS)
    assert ranges["test/alignment"] == (0, 1)
    assert all(ranges.get(f"test/{name}") == ranges.get(name) for name in METRICS if f"test/{name}" in METRICS)
