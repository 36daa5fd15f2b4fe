"""What only the whole file can show: what does not fit together (problems), what is surely not meant (warnings)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sweeper.errors import Problem, did_you_mean, excerpt
from sweeper.spec.claims.records import Compare, Dominates, Interaction, Monotone, Test
from sweeper.spec.space.domains import Choice, Domain, Range
from sweeper.spec.space.space import no_list
from sweeper.spec.space.zip_groups import Zips, zipped
from sweeper.spec.sweep import ADAPTIVE, Sweep
from sweeper.spec.validation import number_hint
from sweeper.trial import Value, canonical

_COUNTS = {"type", "metric", "min_steps", "max_steps", "min_iter", "max_iter"}
_READ = {
    "asha": {*_COUNTS, "eta", "s"},
    "hyperband": {*_COUNTS, "eta", "s", "strict"},
    "median": {*_COUNTS, "startup_trials"},
    "patience": {*_COUNTS, "patience", "min_delta"},
    "threshold": {*_COUNTS, "below", "above"},
}


if TYPE_CHECKING:
    from sweeper.spec.schema import SweepKeys

MAX_TRIALS = 1_000_000  # before where: hours of planning, and surely a slip
_FEW_POINTS = 100_000  # a third of a second


def problems_of(sweep: Sweep, keys: SweepKeys) -> list[Problem]:
    """Everything that makes the sweep impossible as a whole."""
    return [*_method(sweep), *early_problems(sweep), *_zips(sweep, keys).problems, *_claims(sweep), *_looks(sweep)]


def warnings_of(sweep: Sweep, keys: SweepKeys) -> list[Problem]:
    """What is legal and without effect, or hardly what was meant."""
    return [
        *_idle(sweep, keys),
        *_whole_numbers(sweep, keys),
        *unread_early_keys(sweep, keys.early_terminate.model_fields_set),
        *_idle_zips(sweep, keys),
        *_texts(sweep, keys),
        *_never_compared(sweep),
        *_empty(sweep),
    ]


def _too_large(sweep: Sweep, configs: int) -> Iterator[Problem]:
    trials = configs * sweep.most_seeds
    if trials > MAX_TRIALS:
        found = f"{configs} configurations x {sweep.most_seeds} seeds = {trials} trials"
        hint = "fewer values, points or seeds, or method: random with a budget"
        yield _problem(sweep, "parameters", "the sweep is too large", found, f"at most {MAX_TRIALS} trials", hint)


def _method(sweep: Sweep) -> Iterator[Problem]:
    if sweep.method == "grid":
        unlisted = [parameter for parameter in sweep.space.parameters if parameter.domain.count() is None]
        for parameter in unlisted:
            yield no_list(parameter)
        size = sweep.space.size() if not unlisted else 0
        yield from _too_large(sweep, size or 0)
    if sweep.method == "list":
        yield from _too_large(sweep, len(sweep.configs))
    if sweep.method == "list" and not sweep.configs:
        yield _problem(sweep, "method", "method: list needs configs", "", "configs: [{name: value}, ...]")
    if sweep.method in ADAPTIVE and not sweep.goals:
        yield _problem(sweep, "method", f"method: {sweep.method} needs a metric", "", "metric: {name: ..., goal: ...}")
    if sweep.prior and sweep.method not in ADAPTIVE:
        found, allowed = f"method: {sweep.method}", f"method: {', '.join(ADAPTIVE)}"
        yield _problem(sweep, "sampler.prior", "only a search learns from earlier results", found, allowed)
    if sweep.name in sweep.prior:
        hint = "a search goes on from its own results anyway; leave it out"
        yield _problem(sweep, "sampler.prior", "the sweep itself", sweep.name, "other sweeps", hint)


def _looks(sweep: Sweep) -> Iterator[Problem]:
    """Why seeds cannot be added until the claims are decided."""
    if sweep.looks is None:
        return
    if not sweep.claims:
        message = "until: decided needs claims to decide"
        yield _problem(sweep, "seeds.until", message, "no expect:", "expect: [...]", "or seeds: a number")
    if sweep.method not in ("grid", "list"):
        message = "until: decided needs configurations that are known before the run"
        yield _problem(sweep, "seeds.until", message, f"method: {sweep.method}", "method: grid, list")
    if sweep.early.type not in ("none", "threshold"):
        message = f"early_terminate: {sweep.early.type} stops trials by how others do: seeds would not be alike"
        yield _problem(sweep, "seeds.until", message, "", "early_terminate: {type: none}", "or seeds: a number")


def _zips(sweep: Sweep, keys: SweepKeys) -> Zips:
    return zipped(keys.zip, sweep.space.parameters, sweep.base)


def _idle_zips(sweep: Sweep, keys: SweepKeys) -> list[Problem]:
    return [replace(warning, where=sweep.place(warning.key)) for warning in _zips(sweep, keys).warnings]


def _claims(sweep: Sweep) -> Iterator[Problem]:
    names = [parameter.name for parameter in sweep.space.parameters]
    names += [name for config in sweep.configs for name in config]
    listed = sweep.method in ("grid", "list")  # a grid takes the points of a range
    continuous = {p.name for p in sweep.space.parameters if not listed and _is_continuous(p.domain)}
    for index, claim in enumerate(sweep.claims):
        key = f"expect[{index}].{claim.kind}"
        for name in _changed(claim.test):
            if name not in names:
                hint = did_you_mean(name, names)
                yield _problem(sweep, key, "not a parameter that varies", excerpt(name), ", ".join(names), hint)
            elif name in continuous:
                hint = "values: [...], or method: grid with points"
                message = "no two trials agree in a continuous parameter: this can never be judged"
                yield _problem(sweep, key, message, excerpt(name), hint=hint)
        if isinstance(claim.test, Interaction):
            yield from _never_taken(sweep, key, claim.test)


def _changed(test: Test) -> dict[str, list[Value]]:
    """The parameters whose change a claim is about, each with the values that it names."""
    if isinstance(test, Monotone):
        return {test.parameter: []}
    if isinstance(test, Compare | Dominates):
        return {name: [value, test.second[name]] for name, value in test.first.items()}
    return {name: [value, test.high[name]] for name, value in test.low.items()} if isinstance(test, Interaction) else {}


def _never_taken(sweep: Sweep, key: str, test: Test) -> Iterator[Problem]:
    """The values named that their parameter never takes."""
    choices = {p.name: [*p.domain.values] for p in sweep.space.parameters if isinstance(p.domain, Choice)}
    for name, value in ((name, canonical(value)) for config in sweep.configs for name, value in config.items()):
        if value not in choices.setdefault(name, []):
            choices[name].append(value)
    for name, values in _changed(test).items():
        for value in values:
            if name in choices and value not in choices[name]:
                message, allowed = f"{name} never takes this value", excerpt(choices[name])
                yield _problem(sweep, key, message, excerpt(value), allowed)


def _is_continuous(domain: Domain) -> bool:
    if isinstance(domain, Range):
        return not domain.integer and domain.step is None
    return domain.count() is None


def _idle(sweep: Sweep, keys: SweepKeys) -> Iterator[Problem]:
    for name, parameter in keys.parameters.items():
        given, key = parameter.given, f"parameters.{name}"
        values = given.get("values")
        if values is not None and len(values) == 1:
            yield _problem(sweep, f"{key}.values", "a single value does not vary", hint=f"value: {excerpt(values[0])}")
        elif values is not None and len({repr(canonical(value)) for value in values}) < len(values):
            yield _problem(sweep, f"{key}.values", "a value is given twice", excerpt(values))
        if "min" in given and given["min"] == given.get("max"):
            yield _problem(sweep, key, "min and max are equal: a single value does not vary")
        if "points" in given and sweep.method != "grid" and not any(name in group for group in keys.zip):
            yield _problem(sweep, f"{key}.points", f"points has no effect with method: {sweep.method}")
        if "probabilities" in given and sweep.method not in ("random", "qmc"):
            yield _problem(sweep, f"{key}.probabilities", f"probabilities have no effect with method: {sweep.method}")
        if name in keys.base and parameter.when is None:
            yield _problem(sweep, f"base.{name}", "no effect: the parameter of this name is used")
    if isinstance(keys.seeds, list) and len(keys.seeds) != len(sweep.seeds):
        yield _problem(sweep, "seeds", "a seed is given twice", excerpt(keys.seeds))
    if sweep.configs and sweep.method != "list":
        yield _problem(sweep, "configs", f"configs have no effect with method: {sweep.method}")
    if sweep.method == "list" and sweep.space.parameters:
        yield _problem(sweep, "parameters", "parameters have no effect with method: list")
    for metric in keys.metric or ():
        if metric.goal is None:
            yield _problem(sweep, "metric", f"no goal for {metric.name}: minimize is assumed", hint="goal: maximize")


def _whole_numbers(sweep: Sweep, keys: SweepKeys) -> Iterator[Problem]:
    """Bounds that are written as whole numbers, as in `{min: 0, max: 1}`, where hardly two values are meant."""
    for name, parameter in keys.parameters.items():
        given = parameter.given
        low, high = given.get("min"), given.get("max")
        if not (isinstance(low, int) and isinstance(high, int)) or given.keys() & {"distribution", "step", "q"}:
            continue
        count = high - low + 1
        if count == 2 or 1 < count < given.get("points", 0):
            message = f"only {count} values, since whole bounds mean whole numbers (as in W&B)"
            hint = f"write max: {high}.0 for all numbers between, or distribution: int_uniform if whole ones are meant"
            yield _problem(sweep, f"parameters.{name}", message, f"min: {low}, max: {high}", hint=hint)


def _texts(sweep: Sweep, keys: SweepKeys) -> Iterator[Problem]:
    """Texts that other YAML readers take for numbers or truth values."""
    named = {f"base.{name}": [value] for name, value in keys.base.items()}
    named |= {f"parameters.{name}": [*(p.values or []), p.value] for name, p in keys.parameters.items()}
    for key, values in named.items():
        texts = [value for value in values if isinstance(value, str)]
        for text in texts:
            if text.lower() in ("yes", "no", "on", "off"):
                yield _problem(
                    sweep, key, "a text, in YAML 1.2", excerpt(text), hint="true and false are the truth values"
                )
            elif text in ("None", "True", "False") or text.lower() in ("true", "false", "null"):
                yield _problem(
                    sweep, key, "a text that looks like something else", excerpt(text), hint="null, true, false"
                )
            elif hint := number_hint(text):
                yield _problem(sweep, key, "a text that looks like a number", excerpt(text), hint=hint)


def _empty(sweep: Sweep) -> Iterator[Problem]:
    """Draws one point: a `where` that removes all of them is found before anything is started."""
    if sweep.method == "list":
        points = sweep.space.listed(sweep.configs)
    elif sweep.method == "grid":
        if (sweep.space.size() or 0) > _FEW_POINTS:
            return  # the plan counts them
        points = sweep.space.grid()
    else:
        points = sweep.space.random(1, sweep.sampler_seed)
    if next(points, None) is None:
        clauses = " and ".join(clause.text for clause in sweep.space.where)
        yield _problem(sweep, "where", "no configuration is left", found=clauses)


def _never_compared(sweep: Sweep) -> Iterator[Problem]:
    """Claims that compare a value which the parameter never takes."""
    for index, claim in enumerate(sweep.claims):
        if isinstance(claim.test, Compare):
            yield from _never_taken(sweep, f"expect[{index}].compare", claim.test)


def _problem(sweep: Sweep, key: str, message: str, found: str = "", allowed: str = "", hint: str = "") -> Problem:
    return Problem(message, sweep.place(key), key, found, allowed, hint)


def early_problems(sweep: Sweep) -> Iterator[Problem]:
    """Why the rule of the sweep cannot be applied."""
    early, names = sweep.early, [goal.name for goal in sweep.goals]
    if early.type == "none":
        return
    known = ", ".join(names)
    if not names and not early.metric:
        yield _problem(
            sweep, "early_terminate", "early termination needs a metric", "", "metric: {name: ..., goal: ...}"
        )
    elif len(names) > 1 and early.metric is None:
        yield _problem(
            sweep, "early_terminate", "early termination watches one metric", known, f"metric: one of {known}"
        )
    elif early.metric and early.metric not in names and early.type != "threshold":
        message = f"{early.type} must know which way this metric is better"
        allowed = known or "metric: {name: ..., goal: ...}"
        yield _problem(sweep, "early_terminate.metric", message, early.metric, allowed, "or type: threshold")
    by_reports = early.min_reports is not None or early.max_reports is not None
    like_wandb = early.type == "hyperband" and by_reports
    if early.type in ("asha", "hyperband") and not like_wandb and (early.eta < 2 or early.eta % 1):
        hint = "type: hyperband with min_iter or max_iter takes any number above 1"
        yield _problem(sweep, "early_terminate.eta", "not a whole number", f"{early.eta:g}", "2, 3, 4 ...", hint)
    if early.max_reports is not None and early.max_reports < early.eta and (early.brackets or not early.min_reports):
        found, allowed = str(early.max_reports), f"at least eta, {early.eta:g}"
        yield _problem(sweep, "early_terminate.max_iter", "no report at which trials are compared", found, allowed)
    if (early.min_steps or early.max_steps) and (early.min_reports or early.max_reports):
        found, allowed = "min_steps or max_steps with min_iter or max_iter", "min_steps, max_steps"
        yield _problem(sweep, "early_terminate", "counts steps and reports at once", found, allowed)


def unread_early_keys(sweep: Sweep, given: Iterable[str]) -> Iterator[Problem]:
    """The keys given that the rule never reads."""
    rule, early = sweep.early.type, sweep.early
    read = _READ.get(rule, {"type"})
    if early.min_reports is None and early.max_reports is None:
        read = read - {"strict"}
    for key in sorted(set(given) - read):
        yield _problem(sweep, f"early_terminate.{key}", f"no effect with type: {rule}")
