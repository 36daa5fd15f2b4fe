"""The keys of one claim of `expect:` as a pydantic model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweeper.spec.claims.kinds import (
    AgainstKeys,
    BestKeys,
    ClaimGoalKeys,
    CorrelateKeys,
    EquivalentKeys,
    MeanKeys,
    ShareKeys,
    SuccessKeys,
)
from sweeper.spec.fields import Condition, Keys, NotNegative
from sweeper.spec.space.parameters import Complaint
from sweeper.trial import canonical

KINDS = (
    "within", "typical", "mean", "best", "share", "compare", "dominates", "interaction", "correlate", "equivalent",
    "monotone", "against",
)  # fmt: skip
_OF_SEVERAL = ("dominates", "correlate")  # kinds that name their metrics themselves
_OF_GAINS = ("effect", "min_gain", "margin")  # keys of compare and interaction
TESTS = ("t", "signflip", "bootstrap", "exact")
_HINTS = {"dominates": "each of its goals has a margin"}
_OF_RATES = ("mean", "best", "compare")  # kinds that can be about success rates
_COUNTED = ("within", "typical", "best")  # over trials they are counted, not tested
_TESTS_OF = {"monotone": ("exact",), "interaction": ("t", "exact"), "correlate": ("t", "exact")}
Ends = Annotated[list[float | None], Field(min_length=2, max_length=2)]
Pairs = dict[str, Annotated[list[Any], Field(min_length=2, max_length=2)]]


class ClaimKeys(Keys):
    """A claim about the finished sweep: a name, a metric, and what is claimed of it."""

    name: str = Field(description="What is claimed, in words.", examples=["jsd helps"])
    metric: str | None = Field(
        None, description="The metric it is about; `dominates` and `correlate` name theirs.", examples=["alignment"]
    )
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
    dominates: Pairs | None = Field(
        None,
        description="As `compare`, of several metrics (`goals`): the first is better in one and worse in none.",
        examples=[{"loss.inter_latent_divergence_weight": [1, 0]}],
    )
    goals: Annotated[list[ClaimGoalKeys], Field(min_length=2)] | None = Field(
        None,
        description="With dominates: the metrics, two or more.",
        examples=[[{"name": "alignment", "goal": "maximize"}, {"name": "task_accuracy", "goal": "maximize"}]],
    )
    correlate: CorrelateKeys | None = Field(
        None,
        description="How closely one metric follows another over the configurations; one value per seed.",
        examples=[{"x": "inter_latent_jsd", "y": "alignment", "at_least": 0.5}],
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
        self._check_metrics(kind)
        self._check_success(kind)
        for changed, key in ((self.compare, "compare"), (self.dominates, "dominates")):
            if changed is not None and not changed:
                raise Complaint("at least one parameter is needed", key)
        if self.monotone is not None and len(self.monotone) != 1:
            raise Complaint("exactly one parameter is needed", "monotone", found=", ".join(self.monotone) or "none")
        if self.interaction is not None and len(self.interaction) != 2:
            found = ", ".join(self.interaction) or "none"
            raise Complaint("exactly two parameters are needed", "interaction", found=found)
        for pair in (self.compare or self.dominates or self.interaction or {}).values():
            if len({repr(canonical(value)) for value in pair}) == 1:
                raise Complaint("the two values are the same", kind)
        self._check_effect(kind)
        self._check_test(kind)

    def _check_metrics(self, kind: str) -> None:
        """One metric for most kinds; goals or x and y, over configurations, for those of several."""
        own = {"dominates": "goals", "correlate": "x and y"}.get(kind)
        if own is None and self.metric is None:
            raise Complaint("the metric is missing", "metric", allowed="the name of a metric that trials report")
        if own is not None and self.metric is not None:
            raise Complaint(f"{kind} names its metrics by {own}", "metric", found=self.metric, hint="take it out")
        if own is not None and (self.over != "configs" or self.range is not None):
            key = "over" if self.over != "configs" else "range"
            raise Complaint(f"{key} does not go with {kind}", key, hint="take it out")
        if (self.goals is None) == (kind == "dominates"):
            example = "[{name: alignment, goal: maximize}, {name: task_accuracy, goal: maximize, margin: 0.01}]"
            message = "dominates needs goals" if self.goals is None else "goals go with dominates only"
            raise Complaint(message, "goals", hint=f"goals: {example}" if self.goals is None else "")
        names = [goal.name for goal in self.goals or ()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Complaint("a metric is named twice", "goals", found=twice)

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
                raise Complaint(f"{key} goes with compare and interaction only", key, hint=_HINTS.get(kind, ""))
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
