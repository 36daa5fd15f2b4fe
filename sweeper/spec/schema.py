"""The top level of a sweep file as a pydantic model, and the JSON Schema made from it."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from sweeper.spec.claims.keys import ClaimKeys
from sweeper.spec.fields import MAX_SEEDS, Condition, FolderName, Keys, StorageUrl, one_or_more_metrics, seeds_in_full
from sweeper.spec.sections import (
    AbortKeys,
    BudgetKeys,
    CheckpointKeys,
    CommandKeys,
    EarlyKeys,
    MetricKeys,
    NotifyKeys,
    ParameterKeys,
    ResourceKeys,
    RetryKeys,
    SamplerKeys,
    SeedKeys,
    TrackingKeys,
)

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[
    Annotated[list[Seed], Field(min_length=1, max_length=MAX_SEEDS), Tag("[list]")]
    | Annotated[SeedKeys, Tag("[keys]")],
    Discriminator(lambda value: "[keys]" if isinstance(value, dict | SeedKeys) else "[list]"),
    BeforeValidator(
        seeds_in_full, json_schema_input_type=Annotated[int, Field(ge=1, le=MAX_SEEDS)] | list[Seed] | SeedKeys
    ),
]
TrainerKeys = Annotated[
    Annotated[str, Field(min_length=1), Tag("[key]")] | Annotated[CommandKeys, Tag("[keys]")],
    Discriminator(lambda value: "[keys]" if isinstance(value, dict | CommandKeys) else "[key]"),
]
Metrics = Annotated[
    list[MetricKeys],
    Field(min_length=1),
    BeforeValidator(one_or_more_metrics, json_schema_input_type=str | MetricKeys | list[str | MetricKeys]),
]
Ignored = Annotated[
    Any,
    Field(description="W&B: ignored, with a warning.", examples=["train.py"], json_schema_extra={"deprecated": True}),
]


def _section(model: type[Keys], description: str, examples: list[Any]) -> Any:
    return Field(default_factory=lambda: model.model_validate({}), description=description, examples=examples)


class SweepKeys(Keys):
    """A sweep: what to vary, how to search, what to measure, what to spend, and what is claimed."""

    name: FolderName = Field(
        description="The sweep's name: its folder and its MLflow experiment; the file's by default.", examples=["grid"]
    )
    description: str = Field(
        "", description="What is asked, in a sentence.", examples=["beta x marginal KL on ordered_sum"]
    )
    trainer: TrainerKeys | None = Field(
        None, description="The bundled `cvae`, `package.module:function`, or `command: [...]`.", examples=["cvae"]
    )
    base: dict[str, Any] = Field(
        {}, description="Trainer settings that do not vary, dotted or nested.", examples=[{"train.steps": 2000}]
    )
    method: Literal["grid", "list", "random", "qmc", "tpe", "gp", "cmaes", "nsga2", "bayes"] = Field(
        "grid",
        description="All combinations, a list, at random, or by a searcher (W&B's bayes is gp).",
        examples=["grid"],
    )
    metric: Metrics | None = Field(
        None,
        description="What is optimized; a list makes it multi-objective. A bare name is minimized.",
        examples=[{"name": "alignment", "goal": "maximize", "impute": "worst"}],
    )
    parameters: dict[str, ParameterKeys] = Field(
        {},
        max_length=1_000,
        description="What varies, by dotted name.",
        examples=[{"loss.beta": {"values": [0, 0.5, 1]}}],
    )
    configs: list[dict[str, Any]] = Field(
        [], description="The configurations of `method: list`.", examples=[[{"loss.beta": 0.5}, {"loss.beta": 1}]]
    )
    zip: list[Annotated[list[str], Field(min_length=2)]] = Field(
        [], description="Groups of parameters that move together.", examples=[[["task.emit", "task.length"]]]
    )
    where: list[Condition] = Field(
        [],
        description="Only configurations where all of these hold.",
        examples=[["loss.beta + loss.inter_latent_divergence_weight <= 4"]],
    )
    constraints: list[Condition] = Field(
        [], description="Conditions on metrics that a good configuration meets.", examples=[["task_accuracy >= 0.985"]]
    )
    seeds: Seeds = Field(
        [0],
        description="How many seeds each configuration gets, a list of them, or batches until the claims are decided.",
        examples=[3, [0, 1, 2], {"start": 6, "max": 30, "until": "decided"}],
    )
    sampler: SamplerKeys = _section(SamplerKeys, description="How points are drawn.", examples=[{"seed": 0}])
    early_terminate: EarlyKeys = _section(
        EarlyKeys,
        description="When a trial that does badly is stopped.",
        examples=[{"type": "asha", "min_steps": 200, "eta": 3}],
    )
    budget: BudgetKeys = _section(
        BudgetKeys,
        description="When the sweep stops.",
        examples=[{"trials": 200, "wall": "2h", "device_hours": 4}],
    )
    resources: ResourceKeys = _section(
        ResourceKeys, description="What one pack of trials gets.", examples=[{"gpu": "auto", "cpu": 1}]
    )
    retry: RetryKeys = _section(
        RetryKeys, description="What happens after a crash or a lost worker.", examples=[{"max": 2}]
    )
    abort: AbortKeys = _section(
        AbortKeys, description="When the whole sweep gives up.", examples=[{"consecutive_failures": 5}]
    )
    notify: NotifyKeys = _section(
        NotifyKeys,
        description="What runs when the run ends, trials fail in a row, or a claim is decided.",
        examples=[{"command": ["notify-send", "sweeper"]}],
    )
    checkpoints: CheckpointKeys = _section(
        CheckpointKeys,
        description="Checkpoints of running trials.",
        examples=[{"every_s": 60, "keep": "none"}],
    )
    storage: StorageUrl | None = Field(
        None,
        description="Where checkpoints go besides, for trials that move to another node: a bucket or a shared folder.",
        examples=["s3://bucket/sweeps"],
    )
    tracking: TrackingKeys = _section(TrackingKeys, description="Where MLflow is.", examples=[{"uri": None}])
    extends: str | list[str] | None = Field(
        None, description="Files this one is merged onto, relative to it; it wins.", examples=["mar17.yaml"]
    )
    expect: list[ClaimKeys] = Field(
        [],
        description="Claims about the finished sweep.",
        examples=[[{"name": "peak", "metric": "alignment", "best": {"at_least": 0.9}}]],
    )
    run_cap: Annotated[int, Field(ge=1)] | None = Field(None, description="W&B: `budget.trials`.", examples=[100])
    program: Ignored = None
    project: Ignored = None
    entity: Ignored = None
    command: Ignored = None


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a sweep file."""
    schema: dict[str, Any] = _lean(SweepKeys.model_json_schema(mode="validation"))
    schema["required"] = []  # a missing name is the file's
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A sweep file of sweeper"}
    return head | schema


def _lean(node: Any) -> Any:
    """The schema without pydantic's titles and null defaults, which carry no information."""
    if isinstance(node, list):
        return [_lean(item) for item in node]
    if not isinstance(node, dict):
        return node
    silent = {key for key in ("title", "default") if isinstance(node.get(key), str | None)}
    silent -= {"default"} if node.get("default") is not None else set()
    return {key: value if key == "examples" else _lean(value) for key, value in node.items() if key not in silent}
