"""The claims of `expect:` as records: what is said of which metric, and the test that will decide it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.expressions import Expression, condition
from sweeper.trial import Value, canonical

if TYPE_CHECKING:
    from sweeper.claim_keys import ClaimKeys


@dataclass(frozen=True, slots=True)
class Within:
    """All values lie in [low, high]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Typical:
    """Both quartiles lie in [low, high]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Best:
    """The best value reaches a bound; exactly one is given."""

    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class Compare:
    """`first` against `second` of one parameter, paired by configuration and seed.

    `effect` is greater or less (by at least `min_gain`), not_lower or not_higher (by at most `margin`).
    """

    parameter: str
    first: Value
    second: Value
    effect: str
    min_gain: float
    margin: float


@dataclass(frozen=True, slots=True)
class Equivalent:
    """The mean lies within `margin` of `to`: two one-sided tests."""

    to: float
    margin: float


@dataclass(frozen=True, slots=True)
class Monotone:
    """The metric rises (or falls) along a parameter."""

    parameter: str
    increasing: bool


@dataclass(frozen=True, slots=True)
class Against:
    """The means of configurations agree with a reference table up to `tolerance`."""

    table: Path
    tolerance: float


Test = Within | Typical | Best | Compare | Equivalent | Monotone | Against


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: `test` on `metric`, over `configs` (means) or `trials`, where `where` holds, at level `alpha`."""

    name: str
    metric: str
    over: str
    where: Expression | None
    alpha: float
    test: Test


def claim(keys: ClaimKeys) -> Claim:
    """The record of a validated claim."""
    where = condition(keys.where) if keys.where is not None else None
    return Claim(keys.name, keys.metric, keys.over, where, keys.alpha, _test(keys))


def _test(keys: ClaimKeys) -> Test:
    if keys.within:
        return Within(*keys.within)
    if keys.typical:
        return Typical(*keys.typical)
    if keys.best:
        return Best(keys.best.at_least, keys.best.at_most)
    if keys.equivalent:
        return Equivalent(keys.equivalent.to, keys.equivalent.margin)
    if keys.monotone:
        [(parameter, direction)] = keys.monotone.items()
        return Monotone(parameter, direction == "increasing")
    if keys.against:
        return Against(Path(keys.against.table), keys.against.tolerance)
    assert keys.compare is not None
    [(parameter, (first, second))] = keys.compare.items()
    effect, gain, margin = keys.effect or "greater", keys.min_gain or 0.0, keys.margin or 0.0
    return Compare(parameter, canonical(first), canonical(second), effect, gain, margin)
