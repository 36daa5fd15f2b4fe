"""The keys of a sweep file as pydantic models: types, bounds, and the words that the JSON Schema and the README show.

Only the edge: what passes here becomes the frozen records of sweep.py. Lists that may be written short (one metric, a
number of seeds) are brought to their long form first.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from sweeper.spec.fields import (
    MAX_SEEDS,
    AutoCount,
    AutoNumber,
    Condition,
    Count,
    Distribution,
    Duration,
    FolderName,
    Keys,
    Label,
    NotNegative,
    Number,
    Positive,
    PositiveNumber,
    Quantum,
    ServerUrl,
    Shape,
    ShortName,
)
from sweeper.spec.space.parameters import Complaint, domain
from sweeper.trainer import program


def _known_macros(command: list[str]) -> list[str]:
    if unknown := program.unknown_macros(command):
        known = ", ".join(f"${{{name}}}" for name in program.MACROS if name != "program")
        raise Complaint("no such macro", found=f"${{{unknown[0]}}}", allowed=known)
    return command


class CommandKeys(Keys):
    """A program as the trainer: started once per trial, its metrics are JSON lines on standard output."""

    command: Annotated[list[str], Field(min_length=1), AfterValidator(_known_macros)] = Field(
        description="The program and its arguments; `${args}` stands for `--NAME=VALUE ...`.",
        examples=[["${interpreter}", "train.py", "${args}"]],
    )


class ParameterKeys(Keys):
    """What one parameter can be: a value, values, a range (both bounds included) or a distribution."""

    value: Any = Field(None, description="One fixed value; a mapping reaches the trainer as one.", examples=[0.5])
    values: Annotated[list[Any], Field(min_length=1)] | None = Field(
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

    label: Label | None = Field(
        None, description="What it is called in plots and reports; its key stays.", examples=["JSD weight"]
    )
    short: ShortName | None = Field(
        None, description="What it is called in tables and lines of text.", examples=["JSD"]
    )
    parameters: dict[str, ParameterKeys] | None = Field(
        None, description="Nested parameters; names are joined by dots.", examples=[{"lr": {"values": [0.1, 0.01]}}]
    )

    @property
    def given(self) -> dict[str, Any]:
        """The keys of its domain that the file has; an empty one is as if left out, but `value: null` is a value."""
        described = self.model_fields_set - {"label", "short"}
        keys = {name: getattr(self, name) for name in type(self).model_fields if name in described}
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
        description="What a diverged seed is to a search: the worst value seen, nothing, or a failed configuration.",
        examples=["worst"],
    )
    label: Label | None = Field(None, description="What it is called in plots and reports.", examples=["alignment"])
    short: ShortName | None = Field(None, description="What it is called in tables.", examples=["align"])


class SeedKeys(Keys):
    """Seeds in batches, until the claims are decided."""

    start: Annotated[int, Field(ge=2, le=MAX_SEEDS)] = Field(
        description="Seeds per configuration at the first look.", examples=[6]
    )
    max: Annotated[int, Field(ge=3, le=MAX_SEEDS)] = Field(
        description="Seeds per configuration at the last look.", examples=[30]
    )
    until: Literal["decided"] = Field(
        description="Seeds are added only where a claim is undecided.", examples=["decided"]
    )
    looks: Annotated[int, Field(ge=2, le=20)] = Field(
        6, description="How often claims are judged, the first and the last time included.", examples=[6]
    )
    spending: Literal["obrien_fleming", "pocock"] = Field(
        "obrien_fleming",
        description="How `alpha` is shared out to the looks: little to early ones, or evenly.",
        examples=["pocock"],
    )
    futility: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.05,
        description="A claim whose chance to pass by the last look is below this gets no more seeds; 0: never.",
        examples=[0.1],
    )

    @model_validator(mode="after")
    def _grows(self) -> SeedKeys:
        if self.max <= self.start:
            raise Complaint(
                "max is not above start",
                "max",
                found=str(self.max),
                allowed=f"above {self.start}",
                hint="a fixed number is written seeds: 6",
            )
        return self


class SamplerKeys(Keys):
    """The sampler of random and qmc, and the searchers."""

    seed: Annotated[int, Field(ge=0)] = Field(0, description="The same seed draws the same points.", examples=[0])
    prior: list[FolderName] = Field(
        [],
        description="Sweeps in the results folder, imported ones too, whose results a search begins with.",
        examples=[["last_week"]],
    )


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
        3,
        description="One in eta trials goes on at each rung (asha, hyperband); whole, except where hyperband counts "
        "reports.",
        examples=[3],
    )
    s: Count | None = Field(None, description="W&B: the number of bands below max_iter (hyperband).", examples=[2])
    strict: bool = Field(
        True,
        description="W&B: judge a trial by its value at the band, not by its best (hyperband that counts reports).",
        examples=[False],
    )
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


class NotifyKeys(Keys):
    """Notices about a run, by a command of yours."""

    command: list[Annotated[str, Field(min_length=1)]] = Field(
        [],
        description="A command and its arguments, run without a shell; it gets JSON on its standard input.",
        examples=[["curl", "--json", "@-", "https://example.org/hook"]],
    )
    failures: Count = Field(3, description="Failed trials in a row that are worth a notice.", examples=[3])


class CheckpointKeys(Keys):
    """Checkpoints: how often, and which are kept."""

    every_s: Positive = Field(60, description="Seconds between checkpoints.", examples=[60])
    keep: Literal["none", "last", "best", "all"] = Field(
        "none", description="Which remain after a trial has ended.", examples=["none"]
    )


class TrackingKeys(Keys):
    """The MLflow mirror."""

    uri: ServerUrl | None = Field(
        None,
        description="An MLflow tracking server; null: SQLite in the results folder.",
        examples=["http://127.0.0.1:5000"],
    )
