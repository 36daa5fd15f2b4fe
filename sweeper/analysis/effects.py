"""What each parameter does: configurations that differ in it alone, paired by all other settings and by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations

import pandas as pd

from sweeper.analysis.evidence import value_of, varying_names
from sweeper.analysis.pairing import blocks, settings
from sweeper.analysis.statistics import effect_size, estimate, holm
from sweeper.trial import Record, Value
from sweeper.value_text import exact

MOST_VALUES = 12  # beyond that a parameter was drawn from a range, and hardly two trials differ in it alone


@dataclass(frozen=True, slots=True)
class Effect:
    """The gain of a metric from `first` to `second` of a parameter, over `n` pairs, with its 95 % interval.

    `d` is the gain in standard deviations of the pairs (Cohen's d_z), `p` two-sided, `p_holm` corrected over all
    comparisons of the metric. `lost` pairs lack a value.
    """

    metric: str
    parameter: str
    first: Value
    second: Value
    gain: float
    ci_low: float
    ci_high: float
    d: float
    p: float
    p_holm: float
    n: int
    lost: int


def effects(records: Sequence[Record], metric: str) -> list[Effect]:
    """Every pair of values of every parameter that varies, where trials differ in it alone."""
    found = [one for name in varying_names(records) for one in _of_parameter(records, metric, name)]
    adjusted = holm([one.p for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]


def as_frame(found: Sequence[Effect]) -> pd.DataFrame:
    """One row a comparison."""
    return pd.DataFrame(map(asdict, found), columns=[column.name for column in fields(Effect)])


def _of_parameter(records: Sequence[Record], metric: str, name: str) -> list[Effect]:
    values = {
        settings({name: value}): value for record in records if (value := record.trial.params.get(name)) is not None
    }
    if len(values) > MOST_VALUES:
        return []
    blocked = blocks(records, (name,))
    found = []
    for one, other in combinations(sorted(values, key=lambda key: _place(values[key])), 2):
        both = [block.records for block in blocked if one in block.records and other in block.records]
        pairs = [(value_of(members[one], metric), value_of(members[other], metric)) for members in both]
        gains = [second - first for first, second in pairs if first is not None and second is not None]
        if gains:
            found.append(_effect(metric, name, (values[one], values[other]), gains, len(pairs) - len(gains)))
    return found


def _effect(metric: str, name: str, ends: tuple[Value, Value], gains: list[float], lost: int) -> Effect:
    one = estimate(gains)
    low, high = one.interval() if one.n > 1 else (math.nan, math.nan)
    p = one.p_differs(0)
    return Effect(metric, name, *ends, one.mean, low, high, effect_size(gains), p, p, one.n, lost)


def _place(value: Value) -> tuple[bool, float, str]:
    """Numbers by size, then texts."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (not number, float(value) if number else 0.0, exact(value))  # type: ignore[arg-type]
