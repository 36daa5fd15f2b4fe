"""The keys of one claim of `expect:` as a pydantic model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweeper.spec.fields import Condition, Keys, NotNegative
from sweeper.spec.space.parameters import Complaint
from sweeper.trial import canonical

KINDS = ("within", "typical", "mean", "best", "share", "compare", "interaction", "equivalent", "monotone", "against")
_OF_GAINS = ("effect", "min_gain", "margin")  # keys of compare and interaction
TESTS = ("t", "signflip", "bootstrap", "exact")
_OF_RATES = ("mean", "best", "compare")  # kinds that can be about success rates
_COUNTED = ("within", "typical", "best")  # over trials they are counted, not tested
_TESTS_OF = {"monotone": ("exact",), "interaction": ("t", "exact")}
Ends = Annotated[list[float | None], Field(min_length=2, max_length=2)]
Part = Annotated[float, Field(ge=0, le=1)]
Pairs = dict[str, Annotated[list[Any], Field(min_length=2, max_length=2)]]


class BestKeys(Keys):
    """What the best configuration reaches."""

    at_least: float | None = Field(None, description="The best is at least this.", examples=[0.9])
    at_most: float | None = Field(None, description="The best is at most this.", examples=[0.3])


class MeanKeys(Keys):
    """What the mean of every configuration reaches."""

    at_least: float | None = Field(None, description="Every mean is at least this.", examples=[0.975])
    at_most: float | None = Field(None, description="Every mean is at most this.", examples=[0.3])


class ShareKeys(Keys):
    """How many of the configurations lie beyond a value."""

    above: float | None = Field(None, description="Counted are those of at least this.", examples=[0.9])
    below: float | None = Field(None, description="Counted are those of at most this.", examples=[0.3])
    at_least: Part | None = Field(None, description="They are at least this share of all.", examples=[0.8])
    at_most: Part | None = Field(None, description="They are at most this share of all.", examples=[0.1])


class SuccessKeys(Keys):
    """Which trials succeed: the claim is then about success rates, the share of seeds that do."""

    above: float | None = Field(None, description="Those of at least this.", examples=[0.9])
    below: float | None = Field(None, description="Those of at most this.", examples=[0.3])


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
    registered: Literal["required", "optional"] = Field(
        "optional",
        description="required: the claim must be older than its results, or verify exits with 3.",
        examples=["required"],
    )
    test: Literal["t", "signflip", "bootstrap", "exact"] | None = Field(
        None,
        description="How it is tested; by default exact where the range is known, t elsewhere and for gains above 0.",
        examples=["exact"],
    )
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="The least and the greatest value that the metric can take; by default as the trainer declares it.",
        examples=[[0, 1]],
    )
    success: SuccessKeys | None = Field(
        None,
        description="With mean, best and compare: they are about the share of seeds whose metric reaches a value.",
        examples=[{"above": 0.9}],
    )
    family: str = Field("", description="Claims of one family are corrected together (Holm).", examples=["jsd"])
    within: Ends | None = Field(
        None, description="All values lie in this interval; null for an open end.", examples=[[0.975, 1.0]]
    )
    typical: Ends | None = Field(
        None, description="Both quartiles lie in this interval; null for an open end.", examples=[[0.985, 1.0]]
    )
    mean: MeanKeys | None = Field(None, description="What every mean reaches.", examples=[{"at_least": 0.975}])
    share: ShareKeys | None = Field(
        None, description="How many reach a value.", examples=[{"above": 0.9, "at_least": 0.8}]
    )
    best: BestKeys | None = Field(None, description="What the best reaches.", examples=[{"at_least": 0.9}])
    compare: Pairs | None = Field(
        None,
        description="A parameter and two values: the first against the second, paired by configuration and seed. "
        "Several parameters change together.",
        examples=[{"loss.inter_latent_divergence_weight": [1, 0]}],
    )
    interaction: Pairs | None = Field(
        None,
        description="Two parameters, each from one value to another: what both changes bring together, beyond the sum "
        "of what each brings alone. One value per seed.",
        examples=[{"loss.beta": [0, 1], "loss.inter_latent_divergence_weight": [0, 1]}],
    )
    effect: Literal["greater", "less", "not_lower", "not_higher"] | None = Field(
        None,
        description="What the gain of `compare` or `interaction` is (default greater).",
        examples=["greater"],
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
            if interval and _is_empty(*interval):
                raise Complaint("the interval is empty", kind, found=str(interval), allowed="[low, high]")
        for bounds, key in ((self.best, "best"), (self.mean, "mean"), (self.share, "share")):
            if bounds and (bounds.at_least is None) == (bounds.at_most is None):
                raise Complaint("one bound is needed", key, allowed="at_least or at_most")
        if self.share and self.share.above is None and self.share.below is None:
            raise Complaint("which trials count is missing", "share", allowed="above, below, or both")
        self._check_success(kind)
        if self.compare is not None and not self.compare:
            raise Complaint("at least one parameter is needed", "compare")
        if self.monotone is not None and len(self.monotone) != 1:
            raise Complaint("exactly one parameter is needed", "monotone", found=", ".join(self.monotone) or "none")
        if self.interaction is not None and len(self.interaction) != 2:
            found = ", ".join(self.interaction) or "none"
            raise Complaint("exactly two parameters are needed", "interaction", found=found)
        for pair in (self.compare or self.interaction or {}).values():
            if len({repr(canonical(value)) for value in pair}) == 1:
                raise Complaint("the two values are the same", kind)
        self._check_effect(kind)
        self._check_test(kind)

    def _check_success(self, kind: str) -> None:
        if self.success is None:
            return
        if kind not in _OF_RATES or self.over == "trials":
            found = f"{kind} over trials" if kind in _OF_RATES else kind
            allowed, hint = f"{', '.join(_OF_RATES)} over configs", "share over trials is the rate of all trials"
            raise Complaint("it has no success rates", "success", found=found, allowed=allowed, hint=hint)
        if self.success.above is None and self.success.below is None:
            raise Complaint("which trials succeed is missing", "success", allowed="above, below, or both")
        if self.test not in (None, "exact"):
            raise Complaint("success rates have no such test", "test", found=self.test, allowed="exact")

    def _check_test(self, kind: str) -> None:
        if self.range and self.range[0] >= self.range[1]:
            raise Complaint("the range is empty", "range", found=str(self.range), allowed="[low, high]")
        if self.test is None:
            return
        counted = self.over == "trials" and kind in _COUNTED
        allowed: tuple[str, ...] = () if counted else ("exact",) if self.over == "trials" and kind == "share" else TESTS
        allowed = _TESTS_OF.get(kind, allowed)
        if self.test not in allowed:
            what = f"{kind} over trials" if self.over == "trials" and kind not in _TESTS_OF else kind
            message = f"{what} is counted, not tested" if counted else f"{what} has no such test"
            raise Complaint(message, "test", found=self.test, allowed=", ".join(allowed) or "no test")

    def _check_effect(self, kind: str) -> None:
        for key in _OF_GAINS:
            if kind not in ("compare", "interaction") and getattr(self, key) is not None:
                raise Complaint(f"{key} goes with compare and interaction only", key)
        strict = self.effect in (None, "greater", "less")
        if self.margin is not None and strict:
            raise Complaint(
                "margin goes with not_lower and not_higher", "margin", hint="min_gain: goes with greater, less"
            )
        if self.min_gain is not None and not strict:
            raise Complaint(
                "min_gain goes with greater and less", "min_gain", hint="margin: goes with not_lower, not_higher"
            )


def _is_empty(low: float | None, high: float | None) -> bool:
    return (low is None and high is None) or (low is not None and high is not None and low > high)
