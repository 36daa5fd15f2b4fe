"""The keys of a sweep file as pydantic models: types, bounds, and the words that the JSON Schema and the README show.

Only the edge: what passes here becomes the frozen records of spec.py. Lists that may be written short (one metric, a
number of seeds) are brought to their long form first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from sweeper.ledger.paths import ALLOWED, is_folder_name, similar_folder_name
from sweeper.spec.space.expressions import condition
from sweeper.spec.space.parameters import DISTRIBUTIONS, EXPONENTS, Complaint, domain
from sweeper.wording import did_you_mean, excerpt

MAX_SEEDS = 10_000
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        allowed = "a number, text, true, false, null, or a list of these"
        hint = "method: list with configs: [{...}, {...}] names whole configurations"
        raise Complaint("a mapping cannot be a value", allowed=allowed, hint=hint)
    if isinstance(value, list):
        for item in value:
            _plain(item)
    return value


def _as_written(value: Any, check: Callable[[Any], float]) -> Any:
    check(value)
    return value


def _condition(text: str) -> str:
    condition(text)
    return text


def folder_name(name: Any) -> Any:
    """A sweep's name, which becomes a folder."""
    if isinstance(name, str) and not is_folder_name(name):
        better = similar_folder_name(name)
        hint = f"{better} would do" if better else ""
        raise Complaint("this name cannot be a folder in the results", allowed=ALLOWED, hint=hint)
    return name


def seconds(value: Any) -> Any:
    """A duration in seconds: 90, 30m, 1h30m, 2d."""
    if isinstance(value, str) and value and (match := _DURATION.fullmatch(value.replace(" ", ""))):
        parts = zip(match.groups(), (86400, 3600, 60, 1), strict=True)
        return float(sum(float(part) * unit for part, unit in parts if part))
    return value


def _auto(value: Any) -> Any:
    return None if value == "auto" else value


def one_or_more_metrics(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    return [{"name": item} if isinstance(item, str) else item for item in items]


def seeds_in_full(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_SEEDS:
            raise Complaint("no such number of seeds", allowed=f"1 to {MAX_SEEDS}, or a list")
        return list(range(value))
    return value


def _known_distribution(name: str) -> str:
    if name not in DISTRIBUTIONS and name not in EXPONENTS:  # those are refused with the fix spelled out
        hint = did_you_mean(name, list(DISTRIBUTIONS))
        raise Complaint("no such distribution", found=excerpt(name), allowed=", ".join(DISTRIBUTIONS), hint=hint)
    return name


Distribution = Annotated[
    str, AfterValidator(_known_distribution), WithJsonSchema({"type": "string", "enum": list(DISTRIBUTIONS)})
]
Plain = Annotated[Any, AfterValidator(_plain)]
Condition = Annotated[str, AfterValidator(_condition)]
Count = Annotated[int, Field(ge=1, le=10**9)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Shape = Annotated[float, Field(ge=1e-3, le=1e6)]
Quantum = Annotated[float, Field(ge=1e-12), WrapValidator(_as_written)]
Number = Annotated[float, WrapValidator(_as_written)]  # 1 stays a whole number: the type of bounds says what is drawn
PositiveNumber = Annotated[float, Field(gt=0), WrapValidator(_as_written)]
Duration = Annotated[
    Positive,
    BeforeValidator(seconds, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9.dhms ]+$")] | Positive),
]
AutoCount = Annotated[Count | None, BeforeValidator(_auto, json_schema_input_type=Literal["auto"] | Count | None)]
AutoNumber = Annotated[
    NotNegative | None, BeforeValidator(_auto, json_schema_input_type=Literal["auto"] | NotNegative | None)
]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class Keys(BaseModel):
    """Keys that are all known, with values of exactly the right type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class ParameterKeys(Keys):
    """What one parameter can be: a value, values, a range (both bounds included) or a distribution."""

    value: Plain = Field(None, description="One fixed value.", examples=[0.5])
    values: Annotated[list[Plain], Field(min_length=1)] | None = Field(
        None, description="The values to choose from.", examples=[[0, 0.5, 1]]
    )
    probabilities: list[NotNegative] | None = Field(
        None, description="How likely each of `values` is drawn (random methods); they sum to 1.", examples=[[0.2, 0.8]]
    )
    min: Number | None = Field(
        None, description="The least value. Whole numbers only, when min and max are both written so.", examples=[0.01]
    )
    max: Number | None = Field(None, description="The greatest value, included.", examples=[10.0])
    log: bool | None = Field(
        None, description="Spread evenly in the logarithm; bounds are real values.", examples=[True]
    )
    step: PositiveNumber | None = Field(None, description="Only min, min + step, min + 2 step ...", examples=[0.1])
    q: Quantum | None = Field(None, description="Only multiples of q.", examples=[0.5])
    points: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="How many values stand for the range in a grid, bounds included.", examples=[4]
    )
    distribution: Distribution | None = Field(
        None, description="A distribution by its W&B name; seldom needed.", examples=["log_normal"]
    )
    mu: float | None = Field(
        None, description="Mean of a normal distribution (of the logarithm, for log_normal).", examples=[0]
    )
    sigma: Positive | None = Field(None, description="Standard deviation of a normal distribution.", examples=[1])
    a: Shape | None = Field(None, description="First shape parameter of a beta distribution.", examples=[2])
    b: Shape | None = Field(None, description="Second shape parameter of a beta distribution.", examples=[2])
    when: Condition | None = Field(
        None,
        description="The parameter exists only where this holds; elsewhere the trainer's own value applies.",
        examples=["loss.beta > 0"],
    )

    parameters: dict[str, ParameterKeys] | None = Field(
        None, description="Nested parameters; names are joined by dots.", examples=[{"lr": {"values": [0.1, 0.01]}}]
    )

    @property
    def given(self) -> dict[str, Any]:
        """The keys that the file has; an empty one is as if left out, but `value: null` is a value."""
        keys = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return {name: value for name, value in keys.items() if value is not None or name == "value"}

    @model_validator(mode="after")
    def _describes_a_domain(self) -> ParameterKeys:
        domain(self.given)
        return self


class MetricKeys(Keys):
    """A metric to optimize."""

    name: Annotated[str, Field(min_length=1)] = Field(
        description="A metric that the trainer reports.", examples=["alignment"]
    )
    goal: Literal["minimize", "maximize"] | None = Field(
        None, description="Which way is better.", examples=["maximize"]
    )
    impute: Literal["worst", "ignore", "fail"] = Field(
        "worst",
        description="What a diverged seed counts as: the worst value seen, not at all, or its configuration fails.",
        examples=["worst"],
    )


class SamplerKeys(Keys):
    """The sampler of random and qmc, and the searchers."""

    seed: Annotated[int, Field(ge=0)] = Field(0, description="The same seed draws the same points.", examples=[0])


class EarlyKeys(Keys):
    """Early stopping."""

    type: Literal["asha", "hyperband", "median", "patience", "threshold", "none"] = Field(
        "none", description="The rule.", examples=["asha"]
    )
    metric: str | None = Field(
        None, description="The metric watched; the first of `metric` by default.", examples=["alignment"]
    )
    min_steps: Count | None = Field(None, description="No trial is stopped before this many steps.", examples=[200])
    max_steps: Count | None = Field(None, description="The steps of a full trial (asha, hyperband).", examples=[2000])
    min_iter: Count | None = Field(None, description="W&B: no trial is stopped before this many reports.", examples=[3])
    max_iter: Count | None = Field(None, description="W&B: the reports of a full trial.", examples=[27])
    eta: Annotated[float, Field(gt=1)] = Field(
        3, description="One in eta trials goes on at each rung (asha, hyperband).", examples=[3]
    )
    s: Count | None = Field(None, description="W&B: the number of brackets (hyperband).", examples=[2])
    strict: bool = Field(False, description="W&B: stop all but the best share at each rung.", examples=[False])
    startup_trials: Count = Field(
        5, description="Trials that must have ended before the first stop (median).", examples=[5]
    )
    patience: Count | None = Field(
        None, description="Reports without improvement before a stop (patience).", examples=[10]
    )
    min_delta: NotNegative = Field(0, description="What counts as an improvement (patience).", examples=[0.001])
    below: float | None = Field(None, description="Stop when the metric falls below this (threshold).", examples=[0.1])
    above: float | None = Field(None, description="Stop when the metric rises above this (threshold).", examples=[10.0])

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> EarlyKeys:
        if self.type == "patience" and self.patience is None:
            raise Complaint("patience is missing", allowed="a number of reports", hint="patience: 10")
        if self.type == "threshold" and self.below is None and self.above is None:
            raise Complaint("below or above is missing", allowed="a number", hint="above: 10")
        for low, high in ((self.min_steps, self.max_steps), (self.min_iter, self.max_iter)):
            if low is not None and high is not None and low > high:
                raise Complaint("the minimum is above the maximum", found=str(low), allowed=f"at most {high}")
        return self


class BudgetKeys(Keys):
    """Limits; whichever comes first."""

    trials: Count | None = Field(None, description="Trials (a configuration with one seed).", examples=[200])
    wall: Duration | None = Field(
        None, description="Wall-clock time of a run: seconds, or 30m, 2h, 1h30m, 2d.", examples=["2h"]
    )
    device_hours: Positive | None = Field(None, description="Hours summed over all devices.", examples=[4])


class ResourceKeys(Keys):
    """Devices and cores."""

    gpu: AutoNumber = Field(None, description="GPUs, fractions allowed; auto: one if there is one.", examples=["auto"])
    cpu: Positive = Field(1, description="CPU cores, and so threads.", examples=[1])
    pack: AutoCount = Field(
        None, description="Trials trained together in one process; auto measures.", examples=["auto"]
    )
    max_concurrent: AutoCount = Field(
        None, description="Packs at the same time; auto: as many as fit.", examples=["auto"]
    )
    timeout: Duration | None = Field(
        None, description="An attempt that trains longer has failed, and is not tried again.", examples=["30m"]
    )


class RetryKeys(Keys):
    """Second attempts. A diverged trial is a result and never retried."""

    max: Annotated[int, Field(ge=0, le=100)] = Field(2, description="Further attempts of a trial.", examples=[2])
    never_on: list[str] = Field([], description="Exceptions that are not worth a retry.", examples=[["ValueError"]])


class AbortKeys(Keys):
    """Giving up."""

    consecutive_failures: Count | None = Field(
        5, description="Failed trials in a row that stop the sweep; null never.", examples=[5]
    )


class CheckpointKeys(Keys):
    """Checkpoints: how often, and which are kept."""

    every_s: Positive = Field(60, description="Seconds between checkpoints.", examples=[60])
    keep: Literal["none", "last", "best", "all"] = Field(
        "none", description="Which remain after a trial has ended.", examples=["none"]
    )


class TrackingKeys(Keys):
    """The MLflow mirror."""

    uri: str | None = Field(
        None,
        description="An MLflow tracking server; null: SQLite in the results folder.",
        examples=["http://127.0.0.1:5000"],
    )
