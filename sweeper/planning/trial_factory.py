"""The trials of a sweep share trainer, code, settings that do not vary, and seeds: a point of the space makes them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from sweeper.spec.sweep import Sweep
from sweeper.trainer.trainer import Trainer, resolve
from sweeper.trial import Params, Trial, Value, canonical, config_key_of, trial_key
from sweeper.value_text import NO_LABELS, Labels


class TrialFactory:
    """Makes trials and their keys. Only what varies is encoded anew: 2.5 times faster than `trial.config_key`.

    `settings` are all that do not vary. `added` (`Trainer.added`) are left out of keys while they have the value given
    there, and also out of what a trial holds, unless `named`: trials from before such a setting and from after are the
    same and look the same. Without a trainer (an ordinary W&B file) the keys mean nothing outside of this process.
    """

    def __init__(
        self,
        trainer: str,
        code: str,
        settings: Params,
        seeds: Sequence[int],
        added: Params = MappingProxyType({}),
        named: Collection[str] = (),
        labels: Labels = NO_LABELS,
    ) -> None:
        self.trainer, self.code, self.settings, self.seeds = trainer, code, dict(settings), tuple(seeds)
        self.labels = labels
        self._encoded = {name: _encode(name, self.settings[name]) for name in sorted(self.settings)}
        self.added = added
        self._left_out = {_encode(name, value) for name, value in added.items()}
        hidden = {n for n, text in self._encoded.items() if text in self._left_out and n not in named}
        self.base = {name: value for name, value in self.settings.items() if name not in hidden}

    @classmethod
    def of(cls, sweep: Sweep, trainer: Trainer | None) -> TrialFactory:
        """The family of a sweep: its base is the trainer's defaults, overlaid with what the file sets."""
        if trainer is None:
            return cls("", "", sweep.base, sweep.seeds, labels=sweep.labels)
        read = (name for claim in sweep.claims if claim.where is not None for name in claim.where.names)
        named = {*sweep.base, *read}
        settings, labels = resolve(trainer, sweep.base), sweep.labels.over(trainer.labels)
        return cls(trainer.name, trainer.code, settings, sweep.seeds, trainer.added, named, labels)

    def config_key(self, point: Params) -> str:
        """The key of the configuration that a point makes."""
        parts = {**self._encoded, **{name: _encode(name, value) for name, value in point.items()}}
        if len(parts) != len(self._encoded):
            parts = {name: parts[name] for name in sorted(parts)}
        texts = [text for text in parts.values() if text not in self._left_out] if self._left_out else parts.values()
        return config_key_of(self.trainer, "{" + ",".join(texts) + "}")

    def trials(self, point: Params) -> list[Trial]:
        """The trials of a configuration, one per seed."""
        key, code = self.config_key(point), self.code
        shared = (self.base, self.trainer, code, self.labels)
        return [Trial(trial_key(key, seed, code), key, seed, point, *shared) for seed in self.seeds]

    def with_seed(self, trial: Trial, seed: int) -> Trial:
        """The trial of the same configuration with another seed."""
        return replace(trial, key=trial_key(trial.config, seed, self.code), seed=seed, code=self.code)


def _encode(name: str, value: Value) -> str:
    return f"{_quoted(name)}:{json.dumps(canonical(value), separators=(',', ':'))}"


@lru_cache(maxsize=4096)
def _quoted(name: str) -> str:
    return json.dumps(name)
