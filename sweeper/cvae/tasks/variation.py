"""The knobs all enumerated tasks share: fewer strategies, a skewed p(s|x), and style tokens that carry no strategy.

Shapes: N prompts, S strategies, Y the alphabet of style tokens.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from sweeper.cvae.config import STYLE_TOKENS, TaskConfig
from sweeper.cvae.tasks.enumerated import EnumeratedTask


def with_variation(task: EnumeratedTask, config: TaskConfig) -> EnumeratedTask:
    """``task`` with its first ``config.strategies`` strategies, their skew, and its style tokens."""
    count = config.strategies or len(task.strategies)
    styles = STYLE_TOKENS if config.nuisance_tokens else 0
    return dataclasses.replace(
        task,
        strategies=task.strategies[:count],
        traces_NST=task.traces_NST[:, :count],
        trace_vocabulary=task.trace_vocabulary + tuple(f"~{i + 1}" for i in range(styles)),
        strategy_probabilities_NS=skewed(len(task.prompts_NP), count, config.skew, config.skew_by == "prompt"),
        layout=layout(config.nuisance_place, config.nuisance_tokens, task.traces_NST.shape[-1]),
        style_probabilities=style_distribution(config.nuisance_entropy) if styles else None,
    )


def layout(place: str, styles: int, length: int) -> tuple[int, ...]:
    """Which token stands where: 0 .. length-1 the trace's own, -1, -2, ... the styles drawn (one where repeated)."""
    drawn, trace = tuple(range(-1, -styles - 1, -1)), tuple(range(length))
    if place == "repeated":
        before = (styles + 1) // 2
        return (-1,) * before + trace[:-1] + (-1,) * (styles - before) + trace[-1:]
    start = {"before": 0, "between": 1, "after": length - 1}[place]
    return trace[:start] + drawn + trace[start:]


def skewed(prompts: int, strategies: int, skew: float, by_prompt: bool) -> Tensor:
    """p(s|x), [N,S]: proportional to exp(-skew * rank). By prompt, the ranks are turned by one from row to row."""
    rank_NS = torch.arange(strategies).expand(prompts, strategies)
    if by_prompt:
        rank_NS = (rank_NS + torch.arange(prompts)[:, None]) % strategies
    return torch.softmax(-skew * rank_NS.double(), dim=1).float()


def style_distribution(entropy: float) -> Tensor:
    """A distribution [Y] of the given entropy in nats: one style favoured, the others alike."""
    low, high = 0.0, 1.0  # share spread evenly over all styles; the entropy rises with it
    for _ in range(60):
        spread = (low + high) / 2
        low, high = (spread, high) if _entropy_of_spread(spread) < entropy else (low, spread)
    spread = (low + high) / 2
    probabilities_Y = torch.full((STYLE_TOKENS,), spread / STYLE_TOKENS, dtype=torch.float64)
    probabilities_Y[0] += 1 - spread
    return probabilities_Y.float()


def _entropy_of_spread(spread: float) -> float:
    rest = spread / STYLE_TOKENS
    first = 1 - spread + rest
    return -first * math.log(first) - (STYLE_TOKENS - 1) * rest * math.log(rest)
