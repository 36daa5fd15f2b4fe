"""From the trials of a source to ours: configurations and seeds, keys that no trained trial has, what varies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sweeper.errors import Problem, UsageError
from sweeper.importing.source import MAX_PROBLEMS, NO_SEED, ImportChoice, ImportSource, SourceTrial, names_in, seed_name
from sweeper.trial import (
    IMPORTED,
    Ended,
    Reported,
    Started,
    State,
    Trial,
    Value,
    canonical,
    canonical_json,
    imported_key,
)
from sweeper.value_text import Labels, plural


@dataclass(frozen=True, slots=True)
class ImportedTrial:
    """A trial of ours, and what its source has of it."""

    trial: Trial
    found: SourceTrial

    def events(self, origin: str, attempt: int, now: float) -> list[Started | Reported | Ended]:
        """An attempt for a ledger: times that the source lacks are those of the import."""
        key, found = self.trial.key, self.found
        times = [at for at in (found.ended_at, found.started_at) if at is not None]
        end = times[0] if times else now
        begin = min([*times, end])
        reports = [Reported(key, attempt, end, step, metrics) for step, metrics in found.curve]
        steps = found.steps or (found.curve[-1][0] if found.curve else 0)
        outcome = (found.state, found.reason, found.metrics, steps, end - begin)
        ended = Ended(key, attempt, end, *outcome, begin, device="", host="", origin=origin)
        return [Started(key, attempt, begin, "", ""), *reports, ended]


def imported_trials(
    name: str, source: ImportSource, choice: ImportChoice, known: Mapping[str, int], labels: Labels
) -> tuple[list[ImportedTrial], list[str]]:
    """The trials of the sweep `name`, and notes for people. `known` are the seeds of an earlier import, by their keys.

    Equal settings without a seed are repeats of one configuration, numbered in their order. Of several trials with the
    same settings and seed the one that completed counts. Raises UsageError where two did, and for values that are none.
    """
    seed = seed_name(names_in(trial.params for trial in source.trials), choice)
    drop = {seed, *(["seed"] if choice.seed == NO_SEED else [])}
    params = [_settings(trial, drop) for trial in source.trials]
    configs = [imported_key("config", canonical_json(one)) for one in params]
    if seed:
        pairs = [(config, _seed(trial, seed)) for config, trial in zip(configs, source.trials, strict=True)]
        kept, notes = _attempts(source.trials, pairs, seed)
    else:
        pairs, kept = _numbered(name, source, configs, known), list(range(len(configs)))
        repeats = len(configs) - len(set(configs))
        notes = ["no seed: trials with the same settings are repeats, numbered in their order"] if repeats else []
    names = names_in(params)
    varied = [name for name in names if len({repr(canonical(params[i].get(name, "(none)"))) for i in kept}) > 1]
    made = []
    for at in kept:
        found, (config, number) = source.trials[at], pairs[at]
        key = imported_key(name, source.kind, f"{config} {number}" if seed or not found.id else found.id)
        own = {name: params[at][name] for name in varied if name in params[at]}
        base = {name: value for name, value in params[at].items() if name not in own}
        trainer = f"imported from {source.kind}"
        made.append(ImportedTrial(Trial(key, config, number, own, base, trainer, IMPORTED, labels), found))
    counts = Counter(one.trial.key for one in made)
    if twice := [one.found for one in made if counts[one.trial.key] > 1]:
        raise UsageError(Problem("two trials have one name", twice[-1].where, found=twice[-1].id))
    return made, notes


def _settings(trial: SourceTrial, drop: Iterable[str]) -> dict[str, Value]:
    """The parameters without the seed, in their one spelling."""
    settings: dict[str, Value] = {}
    for name, value in trial.params.items():
        if name in drop:
            continue
        try:
            settings[name] = canonical(value)
        except ValueError as error:
            raise UsageError(Problem(f"not a parameter's value: {error}", trial.where, name)) from None
    return settings


def _seed(trial: SourceTrial, name: str) -> int:
    value = trial.params.get(name)
    whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or whole):
        found = "nothing" if value is None else repr(value)
        hint = f"--seed NAME names another, --seed {NO_SEED} does without"
        raise UsageError(Problem("not a seed", trial.where, name, found, "a whole number", hint))
    assert isinstance(value, int | float)
    return int(value)


def _attempts(
    trials: Sequence[SourceTrial], pairs: Sequence[tuple[str, int]], seed: str
) -> tuple[list[int], list[str]]:
    """The places of the trials that count, one per configuration and seed."""
    groups: dict[tuple[str, int], list[int]] = {}
    for at, pair in enumerate(pairs):
        groups.setdefault(pair, []).append(at)
    kept, problems = [], []
    for places in groups.values():
        completed = [at for at in places if trials[at].state is State.COMPLETED]
        if len(completed) > 1:
            first, second = (trials[at].where for at in completed[:2])
            hint = f"--seed {NO_SEED} counts them as repeats, or remove one"
            problems.append(
                Problem("two results for the same settings and seed", second, seed, f"as {first}", hint=hint)
            )
        kept.append((completed or places)[-1])
    if problems:
        raise UsageError(*problems[:MAX_PROBLEMS])
    left = len(trials) - len(kept)
    notes = [f"seed: {seed}"]
    notes += [f"{plural(left, 'earlier attempt')} of the same settings and seed left out"] if left else []
    return sorted(kept), notes


def _numbered(
    name: str, source: ImportSource, configs: Sequence[str], known: Mapping[str, int]
) -> list[tuple[str, int]]:
    """Configuration and number of each trial: those known keep theirs, the others take the next free one."""
    ids = [imported_key(name, source.kind, trial.id) if trial.id else "" for trial in source.trials]
    taken = {(config, known[key]) for config, key in zip(configs, ids, strict=True) if key in known}
    following: dict[str, int] = {}
    pairs = []
    for config, key in zip(configs, ids, strict=True):
        if key in known:
            pairs.append((config, known[key]))
            continue
        number = following.get(config, 0)
        while (config, number) in taken:
            number += 1
        following[config] = number + 1
        pairs.append((config, number))
    return pairs
