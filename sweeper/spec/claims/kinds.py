"""The mappings below the keys of a claim, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sweeper.spec.fields import Keys, NotNegative
from sweeper.spec.space.parameters import Complaint

Part = Annotated[float, Field(ge=0, le=1)]
Correlation = Annotated[float, Field(ge=-1, le=1)]


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


class CorrelateKeys(Keys):
    """How closely one metric follows another over the configurations of each seed."""

    x: str = Field(description="A metric.", examples=["inter_latent_jsd"])
    y: str = Field(description="The metric that it is to follow.", examples=["alignment"])
    at_least: Correlation | None = Field(
        None, description="The mean of the seeds' correlations is at least this.", examples=[0.5]
    )
    at_most: Correlation | None = Field(
        None, description="The mean of the seeds' correlations is at most this.", examples=[0.2]
    )
    coefficient: Literal["spearman", "pearson"] = Field(
        "spearman", description="Of ranks (spearman) or of values (pearson).", examples=["spearman"]
    )

    @model_validator(mode="after")
    def _is_of_two_metrics(self) -> CorrelateKeys:
        if (self.at_least is None) == (self.at_most is None):
            raise Complaint("one bound is needed", "correlate", allowed="at_least or at_most")
        if self.x == self.y:
            raise Complaint("x and y are the same metric", "correlate", found=self.x)
        return self


class ClaimGoalKeys(Keys):
    """A metric of `dominates`, its direction, and how much worse it may be."""

    name: str = Field(description="The metric.", examples=["task_accuracy"])
    goal: Literal["maximize", "minimize"] = Field(description="What is better.", examples=["maximize"])
    margin: NotNegative = Field(0.0, description="How much worse still counts as no worse.", examples=[0.01])
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="The least and the greatest value that it can take; by default as the trainer declares it.",
        examples=[[0, 1]],
    )

    @model_validator(mode="after")
    def _has_a_range(self) -> ClaimGoalKeys:
        if self.range and self.range[0] >= self.range[1]:
            raise Complaint("the range is empty", "range", found=str(self.range), allowed="[low, high]")
        return self
