"""The claims of `expect:` as records: the statement, its metric and the test that decides it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.spec.space.expressions import Expression, condition
from sweeper.trial import Params, canonical

if TYPE_CHECKING:
    from sweeper.spec.claims.keys import ClaimKeys


@dataclass(frozen=True, slots=True)
class Success:
    """A trial succeeds when its metric lies in [low, high]; an end may be infinite. One that diverged does not."""

    metric: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Within:
    """Every configuration's mean (every trial's value) lies in [low, high]; an end may be infinite."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Typical:
    """Both quartiles lie in [low, high]; an end may be infinite."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Best:
    """The best value reaches a bound; exactly one is given."""

    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class Mean:
    """Every configuration's mean (the mean of all trials) reaches a bound; exactly one is given."""

    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """The share of configurations (trials) whose mean (value) lies in [low, high] reaches a bound; one is given."""

    low: float
    high: float
    at_least: float | None
    at_most: float | None

    @property
    def asked(self) -> float:
        """The share that must lie inside, or, for `at_most`, that must not."""
        return self.at_least if self.at_least is not None else 1 - (self.at_most or 0.0)


@dataclass(frozen=True, slots=True)
class Compare:
    """The settings `first` against the settings `second`, all others and the seed being equal.

    `effect` is greater or less (by at least `min_gain`), not_lower or not_higher (by at most `margin`).
    """

    first: Params
    second: Params
    effect: str
    min_gain: float
    margin: float

    @property
    def bound(self) -> float:
        """The gain that divides what is claimed from the rest: min_gain or margin, with the sign of the effect."""
        return _bound(self.effect, self.min_gain, self.margin)

    @property
    def sides(self) -> list[Params]:
        """The settings whose trials it takes together."""
        return [self.first, self.second]


@dataclass(frozen=True, slots=True)
class Interaction:
    """What changing two parameters from `low` to `high` brings beyond the sum of changing each, the rest being equal.

    `effect`, `min_gain` and `margin` are of this difference of differences, as they are of a gain of `Compare`.
    """

    low: Params
    high: Params
    effect: str
    min_gain: float
    margin: float

    @property
    def corners(self) -> list[tuple[Params, float]]:
        """The four settings of the two parameters, each with its sign in the difference of differences."""
        (one, other) = self.low
        mixed = [{one: self.low[one], other: self.high[other]}, {one: self.high[one], other: self.low[other]}]
        return [(self.high, 1.0), *((settings, -1.0) for settings in mixed), (self.low, 1.0)]

    @property
    def bound(self) -> float:
        """The gain that divides what is claimed from the rest: min_gain or margin, with the sign of the effect."""
        return _bound(self.effect, self.min_gain, self.margin)

    @property
    def sides(self) -> list[Params]:
        """The settings whose trials it takes together."""
        return [settings for settings, _ in self.corners]


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


Test = Within | Typical | Mean | Best | Share | Compare | Interaction | Equivalent | Monotone | Against


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: `test` on `metric`, over `configs` (means) or `trials`, where `where` holds, at level `alpha`.

    Claims of one `family` (""  is none) are corrected together: none of them passes falsely, with 1 - alpha.
    `method` is the `test:` that was chosen, None for the kind's own, and `range` what values the metric can take.
    With `success` a trial's value is 1 or 0 instead of the metric: the test is of success rates.
    `keys` are those written in the file: what a run registers, and `claim` makes this record of.
    """

    name: str
    metric: str
    over: str
    where: Expression | None
    alpha: float
    test: Test
    family: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict, compare=False)
    needs_registration: bool = False
    method: str | None = None
    range: tuple[float, float] | None = None
    success: Success | None = None

    @property
    def measure(self) -> str | Success:
        """What is taken of each trial: its metric, or whether it succeeded."""
        if self.success is None and self.over == "trials" and isinstance(self.test, Share):
            return Success(self.metric, self.test.low, self.test.high)
        return self.success or self.metric

    @property
    def kind(self) -> str:
        """The key of the claim in the file: within, compare, ..."""
        return type(self.test).__name__.lower()


def claim(keys: ClaimKeys) -> Claim:
    """The record of a validated claim."""
    where = condition(keys.where) if keys.where is not None else None
    return Claim(
        name=keys.name,
        metric=keys.metric,
        over=keys.over,
        where=where,
        alpha=keys.alpha,
        test=_test(keys),
        family=keys.family,
        keys=_canonical(keys.model_dump(mode="json", exclude_unset=True, exclude={"registered"})),
        needs_registration=keys.registered == "required",
        method=keys.test,
        range=(keys.range[0], keys.range[1]) if keys.range else None,
        success=Success(keys.metric, *_ends((keys.success.above, keys.success.below))) if keys.success else None,
    )


def claim_of(written: Mapping[str, Any]) -> Claim | None:
    """The record of a claim by the keys that a ledger holds; None where they are no claim of this version."""
    from pydantic import ValidationError

    from sweeper.spec.claims.keys import ClaimKeys

    try:
        return claim(ClaimKeys.model_validate(written))
    except ValidationError:
        return None


def _canonical(tree: Any) -> Any:
    """1, 1.0 and 1e0 are one value in a claim as they are in a trial."""
    return {key: _canonical(value) for key, value in tree.items()} if isinstance(tree, dict) else canonical(tree)


def _test(keys: ClaimKeys) -> Test:
    if keys.within:
        return Within(*_ends(keys.within))
    if keys.typical:
        return Typical(*_ends(keys.typical))
    if keys.mean:
        return Mean(keys.mean.at_least, keys.mean.at_most)
    if keys.best:
        return Best(keys.best.at_least, keys.best.at_most)
    if keys.share:
        return Share(*_ends((keys.share.above, keys.share.below)), keys.share.at_least, keys.share.at_most)
    if keys.equivalent:
        return Equivalent(keys.equivalent.to, keys.equivalent.margin)
    if keys.monotone:
        [(parameter, direction)] = keys.monotone.items()
        return Monotone(parameter, direction == "increasing")
    if keys.against:
        return Against(Path(keys.against.table), keys.against.tolerance)
    pairs = keys.compare or keys.interaction
    assert pairs is not None
    first, second = ({name: canonical(pair[side]) for name, pair in pairs.items()} for side in (0, 1))
    kind = Compare if keys.compare else Interaction
    return kind(first, second, keys.effect or "greater", keys.min_gain or 0.0, keys.margin or 0.0)


def _bound(effect: str, min_gain: float, margin: float) -> float:
    return {"greater": min_gain, "less": -min_gain, "not_lower": -margin}.get(effect, margin)


def _ends(pair: Sequence[float | None]) -> tuple[float, float]:
    low, high = pair
    return -math.inf if low is None else low, math.inf if high is None else high
