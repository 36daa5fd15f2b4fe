"""Every setting of the bundled trainer: names, defaults, ranges, and the rules between them. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sweeper.cvae.data.checker import checker_problem
from sweeper.cvae.data.dataset import dataset
from sweeper.cvae.data.problem import DataError
from sweeper.cvae.data.rows import files_of
from sweeper.cvae.metrics import METRICS
from sweeper.cvae.settings import Scalar, SettingProblem, collect, construct, problems_of, setting
from sweeper.cvae.stopping import metrics_of
from sweeper.cvae.task_config import DETOUR, FILE, OPERATORS, STYLE_TOKENS, SUM, TaskConfig
from sweeper.cvae.terms import LOOKAHEAD, ORACLE_FORK, DisentanglementLossConfig
from sweeper.cvae.train_config import TrainConfig
from sweeper.cvae.unreported import unreported

__all__ = [
    "ADDED", "DEFAULTS", "DESCRIPTIONS", "METRICS", "READS", "STYLE_TOKENS", "CVAEConfig", "DisentanglementLossConfig",
    "SettingProblem", "TaskConfig", "TrainConfig", "absent", "build", "check", "data_files", "irrelevant", "shape",
]  # fmt: skip


HARD_BAYES = "hard_bayes"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of the three networks, the prior and the router."""

    latents: int = setting(6, "K, the values of z", low=1, high=64)
    width: int = setting(64, "generator: model width", low=8, high=1024)
    depth: int = setting(1, "generator: attention blocks", low=1, high=12)
    heads: int = setting(4, "attention heads of generator and baseline; divides their widths", low=1, high=32)
    hidden: int = setting(
        64, "generator: units of the one hidden layer that sees z, computed K times", low=1, high=4096
    )
    router: str = setting(
        "network",
        "q(z|x,y): an encoder of (x, y), the exact posterior, or all on its likeliest latent (hard EM)",
        choices=("network", "bayes", HARD_BAYES),
    )
    router_width: int = setting(32, "router: model width", low=8, high=1024)
    router_depth: int = setting(1, "router: blocks", low=1, high=12, only_when=(("model.router", ("network",)),))
    prior: str = setting(
        "uniform", "p(z): uniform, learned p(z), or learned p(z|x)", choices=("uniform", "learned", "conditional")
    )
    baseline_width: int = setting(32, "z-free baseline: model width", low=8, high=1024)
    baseline_depth: int = setting(1, "z-free baseline: blocks", low=1, high=12)


@dataclass(frozen=True, slots=True)
class CVAEConfig:
    """One training run of the bundled trainer, its seed aside."""

    task: TaskConfig = field(default_factory=TaskConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: DisentanglementLossConfig = field(default_factory=DisentanglementLossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


SETTINGS = MappingProxyType(collect(CVAEConfig))
DEFAULTS: Mapping[str, Scalar] = MappingProxyType({name: known.default for name, known in SETTINGS.items()})
"""Every setting by its dotted name, with its default."""
ADDED: Mapping[str, Scalar] = MappingProxyType({name: known.default for name, known in SETTINGS.items() if known.added})
"""The settings that the key of a trial leaves out while they have their default, so that older results keep theirs."""
DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {name: f"{known.description} ({known.allowed})" for name, known in SETTINGS.items()}
)


def check(params: Mapping[str, object]) -> list[SettingProblem]:
    """All that is wrong with flat dotted settings: names, types, ranges, and rules between them."""
    found = problems_of(params, SETTINGS)
    if found:  # the rules between settings assume that each alone is acceptable
        wrong = {problem.key for problem in found}
        params = {key: value for key, value in params.items() if key not in wrong}
    return found + _problems_between(params)


def _problems_between(params: Mapping[str, object]) -> list[SettingProblem]:
    found = []
    names = params.keys()
    if not names.isdisjoint(_WIDTHS_AND_HEADS):
        heads = _get(params, "model.heads")
        for key in _WIDTHS_AND_HEADS[1:]:
            if _number(params, key) % _number(params, "model.heads"):
                found.append(SettingProblem(key, _get(params, key), f"a multiple of model.heads = {heads}"))
    if _get(params, "task.name") == FILE:
        found += _data_problems(params)
    elif "task.strategies" in names:
        most = available_strategies(params)
        if _number(params, "task.strategies") > most:
            found.append(SettingProblem("task.strategies", params["task.strategies"], f"at most {most} for this task"))
    if not names.isdisjoint(_WEIGHTINGS) or "task.name" in names:
        found += _weighting_problems(params)
    if isinstance(params.get("train.stop_when"), str):
        found += _stop_problems(params)
    if _get(params, "train.patience") and (why := absent(params).get(str(_get(params, "train.patience_metric")))):
        metric = _get(params, "train.patience_metric")
        found.append(SettingProblem("train.patience_metric", metric, f"a metric that is reported: {why}"))
    parts = int(_number(params, "train.gradient_accumulation_steps"))
    if _number(params, "train.batch_size") % parts:
        allowed = f"a divisor of train.batch_size = {_get(params, 'train.batch_size')}"
        found.append(SettingProblem("train.gradient_accumulation_steps", parts, allowed))
    for key in names:
        if key.startswith("loss.schedules.") and key.endswith((".start", ".end", ".kind")):
            found += _schedule_problems(params, key.rpartition(".")[0])
    return list(dict.fromkeys(found))


def _data_problems(params: Mapping[str, object]) -> list[SettingProblem]:
    """What is wrong with the files of a task: each is read and checked once, then kept."""
    path, tokenizer = _get(params, "task.path"), _get(params, "task.tokenizer")
    if not isinstance(path, str):
        return [SettingProblem("task.path", path, "a path or a pattern, with task.name: file")]
    try:
        dataset(path, str(tokenizer))
    except (DataError, OSError) as error:
        return [SettingProblem("task.path", str(error), "rows with prompt and target, see the trainer's page")]
    checker = _get(params, "task.checker")
    if isinstance(checker, str) and (problem := checker_problem(checker)):
        return [SettingProblem("task.checker", f"{checker}: {problem}", "a function(prompt tokens, output tokens)")]
    return []


def absent(params: Mapping[str, object]) -> dict[str, str]:
    """The metrics that a training with these settings does not report, each with the reason."""
    return unreported(*(str(_get(params, key)) for key in READS[:3]))


def _stop_problems(params: Mapping[str, object]) -> list[SettingProblem]:
    """The metrics in the condition that no report will have."""
    condition, missing = str(params["train.stop_when"]), absent(params)
    return [
        SettingProblem("train.stop_when", condition, f"metrics that are reported, not {name}: {missing[name]}")
        for name in metrics_of(condition)
        if name in missing
    ]


READS = ("task.name", "task.path", "task.tokenizer", "task.checker")
"""The settings that decide which files a training reads."""


def data_files(params: Mapping[str, object]) -> list[str]:
    """The files that a training with these settings reads: they are part of what its result depends on."""
    if _get(params, "task.name") != FILE or not isinstance(path := _get(params, "task.path"), str):
        return []
    module, tokenizer = str(_get(params, "task.checker") or "").partition(":")[0], str(_get(params, "task.tokenizer"))
    others = [f"{module.replace('.', '/')}.py", tokenizer]
    try:
        return [*map(str, files_of(path)), *(name for name in others if Path(name).is_file())]
    except DataError:
        return [path]


_WIDTHS_AND_HEADS = ("model.heads", "model.width", "model.baseline_width")


_WEIGHTINGS = ("loss.token_weighting", "loss.reconstruction_weighting")


def _weighting_problems(params: Mapping[str, object]) -> list[SettingProblem]:
    chosen = {key: _get(params, key) for key in _WEIGHTINGS}
    name = _get(params, "task.name")
    if name == FILE:
        allowed = "another weighting: where strategies part is not known, as files need not hold what each would write"
        return [SettingProblem(key, ORACLE_FORK, allowed) for key, kind in chosen.items() if kind == ORACLE_FORK]
    if {*chosen.values()} == {ORACLE_FORK, LOOKAHEAD}:
        allowed = f"no {LOOKAHEAD} next to {ORACLE_FORK}: a training has one of the two"
        return [SettingProblem(key, kind, allowed) for key, kind in chosen.items() if kind == LOOKAHEAD]
    return []


def _schedule_problems(params: Mapping[str, object], prefix: str) -> list[SettingProblem]:
    start, end = _number(params, prefix + ".start"), _number(params, prefix + ".end")
    if _get(params, prefix + ".kind") in ("linear", "cosine") and start >= end:
        return [SettingProblem(prefix + ".start", start, f"less than {prefix}.end = {end:g}")]
    return []


def available_strategies(params: Mapping[str, object]) -> int:
    """How many strategies the chosen task has at most."""
    name = _get(params, "task.name")
    if name == OPERATORS:
        return math.factorial(int(_number(params, "task.operators")))
    if name == DETOUR:
        return int(_number(params, "task.modulus")) - 1
    return 8 if name == SUM and _get(params, "task.mixture") == "all" else 6


def _get(params: Mapping[str, object], key: str) -> object:
    return params.get(key, DEFAULTS[key])


def _number(params: Mapping[str, object], key: str) -> float:
    value = _get(params, key)
    assert isinstance(value, int | float)
    return value


def build(params: Mapping[str, object]) -> CVAEConfig:
    """The configuration that flat dotted settings describe; raises ValueError naming every problem.

    >>> config = build({"loss.beta": 0.5, "model.latents": 8})
    >>> config.loss.beta, config.loss.inter_latent_divergence_weight, config.model.latents
    (0.5, 0.0, 8)
    >>> build({"loss.beta": -1, "los.beta": 1})
    Traceback (most recent call last):
    ValueError: loss.beta: found -1, allowed: a finite number, at least 0; los.beta: found 1, allowed: ...
    """
    problems = check(params)
    if problems:
        raise ValueError("; ".join(str(problem) for problem in problems))
    return construct(CVAEConfig, params)


_FIXED = {
    key: known
    for key, known in SETTINGS.items()
    if key.startswith(("task.", "model."))
    or key in ("loss.reduction", "train.batch_size", "train.test_prompts", "train.device", "train.compile")
    or key in ("train.gradient_accumulation_steps", "train.precision", "train.optimizer")
    or key in (*_WEIGHTINGS, "loss.jsd_mixture")
}


def shape(params: Mapping[str, object]) -> str:
    """The settings in which trials must agree to be trained as one program, as text; the defaults are left out."""
    chosen = [
        f"{key}={known.convert(params[key])}"
        for key, known in _FIXED.items()
        if key in params and params[key] != known.default
    ]
    return " ".join(chosen)


def irrelevant(params: Mapping[str, object]) -> list[str]:
    """The given settings that are legal but have no effect, given the others."""
    unused = [
        key
        for key in params
        if key in SETTINGS and any(_get(params, other) not in values for other, values in SETTINGS[key].only_when)
    ]
    unused += [key for key in params if key.startswith("loss.schedules.") and _is_idle(params, key)]
    return unused + [key for key, switch in _SWITCHES.items() if key in params and not _get(params, switch)]


def _is_idle(params: Mapping[str, object], key: str) -> bool:
    prefix, _, part = key.rpartition(".")
    kind = _get(params, prefix + ".kind")
    return part != "kind" and (kind == "constant" or (kind == "delayed" and part == "start"))


_SWITCHES = {
    "task.skew_by": "task.skew",
    "task.nuisance_entropy": "task.nuisance_tokens",
    "task.nuisance_place": "task.nuisance_tokens",
    "loss.reconstruction_weighting": "loss.token_weighted_reconstruction_weight",
    "train.patience_metric": "train.patience",
}
