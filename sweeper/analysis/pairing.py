"""Trials that differ in chosen parameters only, matched by all other settings and by seed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.analysis.evidence import label, value_of, varying_names
from sweeper.spec.claims.records import Success
from sweeper.trial import Params, Record, canonical_json


@dataclass(slots=True)
class Pairing:
    """Two configurations that differ as asked: the metric's values of the seeds that both completed, and the rest.

    `lost` is how many of their seeds have no such pair of values.
    """

    label: str
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    lost: int = 0

    @property
    def gains(self) -> list[float]:
        return [one - other for one, other in zip(self.first, self.second, strict=True)]

    @property
    def by_seed(self) -> dict[int, float]:
        """The gain of each seed."""
        return dict(zip(self.seeds, self.gains, strict=True))


@dataclass(slots=True)
class Contrast:
    """A weighted sum of the metric over several settings, all others being equal: its value for every seed that has it.

    `lost` seeds have all the trials of it and not all the values.
    """

    label: str
    values: dict[int, float] = field(default_factory=dict)
    lost: int = 0


@dataclass(frozen=True, slots=True)
class PairingBlock:
    """All settings but some, with one seed: the record at each setting of those; `rest` is the text of the others."""

    label: str
    rest: str
    seed: int
    records: Mapping[str, Record]


def blocks(records: Sequence[Record], names: Collection[str]) -> list[PairingBlock]:
    """The trials in blocks that differ in `names` only; a block's records by the canonical JSON of their settings."""
    varying = [name for name in varying_names(records) if name not in names]
    texts: dict[str, tuple[str, str]] = {}  # of each configuration: its other settings, those of `names`
    labels: dict[str, str] = {}
    found: dict[tuple[str, int], dict[str, Record]] = {}
    for record in records:
        trial = record.trial
        if trial.config not in texts:
            rest = settings({name: value for name, value in trial.params.items() if name not in names})
            texts[trial.config] = rest, settings({name: trial.params.get(name) for name in names})
            if rest not in labels:
                labels[rest] = label(trial, varying)
        rest, chosen = texts[trial.config]
        found.setdefault((rest, trial.seed), {})[chosen] = record
    return [PairingBlock(labels[rest], rest, seed, members) for (rest, seed), members in found.items()]


def settings(params: Params) -> str:
    """Settings as a key: 1 and 1.0 are one, 1 and true are two."""
    return canonical_json(params)


def pairings(records: Sequence[Record], metric: str | Success, first: Params, second: Params) -> list[Pairing]:
    """`first` against `second`, one pairing for every choice of the other settings that has trials of both."""
    one, other = settings(first), settings(second)
    found: dict[str, Pairing] = {}
    for block in blocks(records, tuple(first)):
        if one not in block.records or other not in block.records:
            continue
        pairing = found.setdefault(block.rest, Pairing(block.label))
        values = [value_of(block.records[side], metric) for side in (one, other)]
        if None in values:
            pairing.lost += 1
        else:
            pairing.first.append(values[0] or 0.0)
            pairing.second.append(values[1] or 0.0)
            pairing.seeds.append(block.seed)
    return list(found.values())


def contrasts(
    records: Sequence[Record], metric: str | Success, weights: Sequence[tuple[Params, float]]
) -> list[Contrast]:
    """The sum of weight times metric over these settings of the same parameters, for every choice of the others."""
    wanted, names = [(settings(chosen), weight) for chosen, weight in weights], tuple(weights[0][0])
    found: dict[str, Contrast] = {}
    for block in blocks(records, names):
        if any(key not in block.records for key, _ in wanted):
            continue
        contrast = found.setdefault(block.rest, Contrast(block.label))
        values = [value_of(block.records[key], metric) for key, _ in wanted]
        if None in values:
            contrast.lost += 1
        else:
            terms = (weight * (value or 0.0) for (_, weight), value in zip(wanted, values, strict=True))
            contrast.values[block.seed] = math.fsum(terms)
    return list(found.values())
