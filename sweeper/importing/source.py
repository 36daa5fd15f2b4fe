"""What an import reads: the trials of another tool, in one form whatever the tool, and which of it the user wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sweeper.errors import Problem, UsageError, did_you_mean
from sweeper.spec.merge import NAMES_ALLOWED, SETTING_NAME
from sweeper.spec.sweep import Sweep
from sweeper.trial import State, Value
from sweeper.value_text import plural

NO_SEED = "none"  # as --seed: equal settings are then repeats, numbered in their order
SEED = "seed"  # the parameter or column that is taken for it where --seed is left out
MOST_SHOWN = 12  # names in a message
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """A trial as its source has it: `id` names it there ("" for a row of a table), `where` in messages.

    `curve` holds metrics by step, `steps` is the last one (0 where the source counts none). Times are seconds since
    the epoch, None where the source has none.
    """

    id: str
    where: str
    params: Mapping[str, Value]
    metrics: Mapping[str, float]
    state: State
    reason: str = ""
    curve: Sequence[tuple[int, Mapping[str, float]]] = ()
    steps: int = 0
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What was found: the trials that have ended, in their order, and how many have not.

    `kind` is the tool, `text` names the source without a log-in. `goals` are metrics and whether more is better,
    `domains` gives the keys of a parameter in a sweep file where the source knows its range. `notes` are for people:
    what was taken for what, and what was left out.
    """

    kind: str
    text: str
    trials: Sequence[SourceTrial]
    unfinished: int = 0
    goals: Mapping[str, bool] = field(default_factory=dict)
    domains: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ImportChoice:
    """What the user wants of a source: parameters and metrics (() is all), the seed's name, a sweep file as a model.

    `goals` are the metrics that were given a direction: whether more is better.
    """

    params: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    goals: Mapping[str, bool] = field(default_factory=dict)
    seed: str = ""
    like: Sweep | None = None

    @property
    def like_params(self) -> tuple[str, ...]:
        """The parameters and settings that the model names."""
        if self.like is None:
            return ()
        listed = (name for config in self.like.configs for name in config)
        return tuple(dict.fromkeys([*(p.name for p in self.like.space.parameters), *listed, *self.like.base]))


def selected(source: ImportSource, choice: ImportChoice) -> ImportSource:
    """The source with the parameters and metrics of the choice only.

    Trials that logged nothing are left out. Raises UsageError for a name that no trial has, for a parameter whose name
    a sweep file cannot hold, and where no trial is left.
    """
    empty = sum(not (trial.params or trial.metrics) for trial in source.trials)
    if empty:
        note = f"{plural(empty, 'trial')} without parameters and metrics left out"
        kept_trials = [trial for trial in source.trials if trial.params or trial.metrics]
        source = replace(source, trials=kept_trials, notes=[*source.notes, note])
    if not source.trials:
        hint = "trials that have not ended are left out"
        raise UsageError(Problem("no trial that has ended and logged something", source.text, hint=hint))
    params = names_in(trial.params for trial in source.trials)
    metrics = names_in(trial.metrics for trial in source.trials)
    seed = seed_name(params, choice)
    varied = [parameter.name for parameter in choice.like.space.parameters] if choice.like else []
    problems = unknown_names(source.text, "--params", choice.params, params)
    problems += unknown_names(source.text, "--metrics", choice.metrics, metrics)
    problems += unknown_names(source.text, "--like", varied, params) if not problems else []
    kept = [name for name in params if not choice.params or name in choice.params]
    message, hint = "cannot be the name of a parameter", "leave it out: --params A,B ..."
    odd = (name for name in kept if name != seed and not SETTING_NAME.fullmatch(name))
    problems += [Problem(message, source.text, name, allowed=NAMES_ALLOWED, hint=hint) for name in odd]
    if problems:
        raise UsageError(*problems[:MAX_PROBLEMS])
    wanted = {*kept, *([seed] if seed else [])}
    measured = set(choice.metrics or metrics)
    trials = [
        replace(
            trial,
            params={name: value for name, value in trial.params.items() if name in wanted},
            metrics=_only(trial.metrics, measured),
            curve=[(step, some) for step, found in trial.curve if (some := _only(found, measured))],
        )
        for trial in source.trials
    ]
    goals = {name: up for name, up in {**source.goals, **choice.goals}.items() if name in measured}
    return replace(source, trials=trials, goals=goals)


def seed_name(params: Sequence[str], choice: ImportChoice) -> str:
    """Which parameter is the seed; "" where none is. Raises UsageError for one that is named and not there."""
    if choice.seed and choice.seed != NO_SEED and choice.seed not in params:
        hint = f"--seed {NO_SEED} numbers equal settings in their order"
        raise UsageError(Problem("no such parameter or column", "", "--seed", choice.seed, shown(params), hint))
    if choice.seed:
        return "" if choice.seed == NO_SEED else choice.seed
    return SEED if SEED in params else ""


def unknown_names(where: str, option: str, names: Sequence[str], known: Sequence[str]) -> list[Problem]:
    """A problem for each name that is not known."""
    return [
        Problem("not in the source", where, option, name, shown(known) or "there is none", did_you_mean(name, [*known]))
        for name in names
        if name not in known
    ]


def names_in(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    """The names in any of the mappings, in the order in which they come."""
    return list(dict.fromkeys(name for one in mappings for name in one))


def shown(names: Sequence[str]) -> str:
    """Names for a message: the first twelve."""
    more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _only(metrics: Mapping[str, float], names: set[str]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name in names}
