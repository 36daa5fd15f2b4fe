"""The claims of `expect:` as records: the statement, its metric and the test that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.spec.space.expressions import Expression
from sweeper.trial import Params


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
class ClaimGoal:
    """A metric of a `range` to be maximized (or minimized); a loss of at most `margin` counts as none."""

    metric: str
    maximize: bool
    margin: float
    range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Dominates:
    """The settings `first` are better than `second` in one of the goals and worse in none (Pareto dominance)."""

    first: Params
    second: Params
    goals: tuple[ClaimGoal, ...]

    @property
    def sides(self) -> list[Params]:
        """The settings whose trials it takes together."""
        return [self.first, self.second]


@dataclass(frozen=True, slots=True)
class Correlate:
    """The correlation of two metrics over a seed's configurations, on average over seeds, reaches a bound.

    Of `ranks` (Spearman) or of values (Pearson). Exactly one bound is given.
    """

    x: str
    y: str
    at_least: float | None
    at_most: float | None
    ranks: bool


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


Test = (
    Within
    | Typical
    | Mean
    | Best
    | Share
    | Compare
    | Dominates
    | Interaction
    | Correlate
    | Equivalent
    | Monotone
    | Against
)


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
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it names; `metric` lists them in words."""
        if isinstance(self.test, Dominates):
            return tuple(goal.metric for goal in self.test.goals)
        return (self.test.x, self.test.y) if isinstance(self.test, Correlate) else (self.metric,)

    @property
    def measure(self) -> str | Success:
        """What is taken of each trial: its metric (of several the first), or whether it succeeded."""
        if self.success is None and self.over == "trials" and isinstance(self.test, Share):
            return Success(self.metric, self.test.low, self.test.high)
        return self.success or self.metrics[0]

    @property
    def kind(self) -> str:
        """The key of the claim in the file: within, compare, ..."""
        return type(self.test).__name__.lower()


def _bound(effect: str, min_gain: float, margin: float) -> float:
    return {"greater": min_gain, "less": -min_gain, "not_lower": 0.0 - margin}.get(effect, margin)
