"""The keys of one claim of `expect:` as a pydantic model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sweeper.parameters import Complaint
from sweeper.section_keys import Condition, Keys, NotNegative, Pair, Plain
from sweeper.trial import canonical

KINDS = ("within", "typical", "best", "compare", "equivalent", "monotone", "against")
_ONLY_WITH_COMPARE = ("effect", "min_gain", "margin")


class BestKeys(Keys):
    """What the best configuration reaches."""

    at_least: float | None = Field(None, description="The best is at least this.", examples=[0.9])
    at_most: float | None = Field(None, description="The best is at most this.", examples=[0.3])


class EquivalentKeys(Keys):
    """Two one-sided tests: the mean lies within a margin of a value."""

    to: float = Field(description="The value.", examples=[0.1667])
    margin: Annotated[float, Field(gt=0)] = Field(description="How far off still counts as equal.", examples=[0.1])


class AgainstKeys(Keys):
    """A reference table."""

    table: str = Field(
        description="A CSV of configurations, as `export --level config` writes it.", examples=["ref.csv"]
    )
    tolerance: NotNegative = Field(0, description="How far a mean may lie from the table's.", examples=[0.02])


class ClaimKeys(Keys):
    """A claim about the finished sweep: a name, a metric, and what is claimed of it."""

    name: str = Field(description="What is claimed, in words.", examples=["jsd helps"])
    metric: str = Field(description="The metric it is about.", examples=["alignment"])
    over: Literal["configs", "trials"] = Field(
        "configs", description="Over the means of configurations, or over single trials.", examples=["configs"]
    )
    where: Condition | None = Field(
        None, description="Only configurations where this holds.", examples=["loss.beta > 0"]
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(0.05, description="Significance level.", examples=[0.05])
    within: Pair | None = Field(None, description="All values lie in this interval.", examples=[[0.975, 1.0]])
    typical: Pair | None = Field(None, description="Both quartiles lie in this interval.", examples=[[0.985, 1.0]])
    best: BestKeys | None = Field(None, description="What the best reaches.", examples=[{"at_least": 0.9}])
    compare: dict[str, Annotated[list[Plain], Field(min_length=2, max_length=2)]] | None = Field(
        None,
        description="A parameter and two values: the first against the second, paired by configuration and seed.",
        examples=[{"loss.inter_latent_divergence_weight": [1, 0]}],
    )
    effect: Literal["greater", "less", "not_lower", "not_higher"] | None = Field(
        None, description="What the first of `compare` is, against the second (default greater).", examples=["greater"]
    )
    min_gain: NotNegative | None = Field(None, description="By how much at least (greater, less).", examples=[0.1])
    margin: NotNegative | None = Field(
        None, description="By how much at most (not_lower, not_higher).", examples=[0.01]
    )
    equivalent: EquivalentKeys | None = Field(
        None, description="The mean equals a value, up to a margin.", examples=[{"to": 0.1667, "margin": 0.1}]
    )
    monotone: dict[str, Literal["increasing", "decreasing"]] | None = Field(
        None, description="The metric's trend along a parameter.", examples=[{"loss.beta": "decreasing"}]
    )
    against: AgainstKeys | None = Field(
        None, description="The means agree with a reference table.", examples=[{"table": "ref.csv", "tolerance": 0.02}]
    )

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ClaimKeys:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise Complaint(
                "a claim is of exactly one kind", found=", ".join(kinds) or "none", allowed=", ".join(KINDS)
            )
        self._check(kinds[0])
        return self

    def _check(self, kind: str) -> None:
        for interval in (self.within, self.typical):
            if interval and interval[0] > interval[1]:
                raise Complaint("the interval is empty", kind, found=str(interval), allowed="[low, high]")
        if self.best and (self.best.at_least is None) == (self.best.at_most is None):
            raise Complaint("one bound is needed", "best", allowed="at_least or at_most")
        for mapping, key in ((self.compare, "compare"), (self.monotone, "monotone")):
            if mapping is not None and len(mapping) != 1:
                raise Complaint("exactly one parameter is needed", key, found=", ".join(mapping) or "none")
        if self.compare and len({repr(canonical(value)) for pair in self.compare.values() for value in pair}) == 1:
            raise Complaint("the two values are the same", "compare")
        self._check_effect(kind)

    def _check_effect(self, kind: str) -> None:
        for key in _ONLY_WITH_COMPARE:
            if kind != "compare" and getattr(self, key) is not None:
                raise Complaint(f"{key} goes with compare only", key)
        strict = self.effect in (None, "greater", "less")
        if self.margin is not None and strict:
            raise Complaint(
                "margin goes with not_lower and not_higher", "margin", hint="min_gain: goes with greater, less"
            )
        if self.min_gain is not None and not strict:
            raise Complaint(
                "min_gain goes with greater and less", "min_gain", hint="margin: goes with not_lower, not_higher"
            )
