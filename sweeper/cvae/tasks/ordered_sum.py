"""``ordered_sum``: x = distinct digits; a strategy is the order in which they are visited and added.

The trace interleaves the visited operand (its position or its value) with the running sum modulo 10, then EOS.
Prompts on which two strategies visit in the same order are left out: their label would mean nothing.
Shapes: N prompts, S strategies, B batch, L digits = prompt tokens, T = 2 L + 1 trace tokens.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from sweeper.cvae.config import TaskConfig
from sweeper.cvae.tasks.enumerated import EnumeratedTask, is_permutation, uniform_strategies
from sweeper.cvae.tasks.task import SPLIT_SEED, CheckResult

BASE = 10
POPULATION = 32_768  # enough that no prompt is learnt by heart; all 5-digit prompts are fewer
BY_POSITION = (
    "left to right",
    "right to left",
    "outside in",
    "inside out",
    "even positions first",
    "odd positions first",
)
BY_VALUE = ("ascending", "descending")
ORDERS_OF_MIXTURE = {"positional": BY_POSITION, "mixed": BY_POSITION[:4] + BY_VALUE, "all": BY_POSITION + BY_VALUE}


def ordered_sum(config: TaskConfig) -> EnumeratedTask:
    """The task on ``config.length`` digits with the visiting orders of ``config.mixture``."""
    length, positional = config.length, config.emit == "position"
    strategies = ORDERS_OF_MIXTURE[config.mixture]
    strategies = strategies[: config.strategies or len(strategies)]
    digits_NL = _prompts(length)
    visits_NSL = torch.stack([_visits(digits_NL, strategy) for strategy in strategies], dim=1)
    distinct_N = _all_distinct(visits_NSL)
    digits_NL, visits_NSL = digits_NL[distinct_N], visits_NSL[distinct_N]
    traces_NST = _traces(digits_NL, visits_NSL, positional)

    def verify(prompt_BL: Tensor, trace_BT: Tensor) -> CheckResult:
        return _verify(prompt_BL, trace_BT, positional)

    names = tuple(f"#{i + 1}" for i in range(length)) if positional else ()
    return EnumeratedTask(
        name="ordered_sum",
        prompt_vocabulary=tuple(map(str, range(BASE))),
        trace_vocabulary=(*map(str, range(BASE)), ".", *names),
        strategies=strategies,
        prompts_NP=digits_NL,
        traces_NST=traces_NST,
        verify=verify,
        strategy_probabilities_NS=uniform_strategies(traces_NST),
    )


def _prompts(length: int) -> Tensor:
    """Every ordered choice of distinct digits, or a fixed random selection where there are too many."""
    if length <= 5:
        return torch.tensor(list(permutations(range(BASE), length)))
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    drawn_NL = torch.rand(POPULATION, BASE, generator=generator).argsort(1)[:, :length]
    return torch.tensor(sorted(set(map(tuple, drawn_NL.tolist()))))


def _visits(digits_NL: Tensor, strategy: str) -> Tensor:
    """The positions in the order in which ``strategy`` visits them, [N,L]."""
    length = digits_NL.shape[1]
    if strategy in BY_VALUE:
        return digits_NL.argsort(1, descending=strategy == "descending")
    forward = list(range(length))
    outside_in = [p for i in range((length + 1) // 2) for p in dict.fromkeys((i, length - 1 - i))]
    order = {
        "left to right": forward,
        "right to left": forward[::-1],
        "outside in": outside_in,
        "inside out": outside_in[::-1],
        "even positions first": forward[1::2] + forward[::2],
        "odd positions first": forward[::2] + forward[1::2],
    }[strategy]
    return torch.tensor(order).expand(len(digits_NL), length)


def _all_distinct(visits_NSL: Tensor) -> Tensor:
    same_NSS = (visits_NSL[:, :, None] == visits_NSL[:, None]).all(-1)
    return same_NSS.sum((1, 2)) == visits_NSL.shape[1]


def _traces(digits_NL: Tensor, visits_NSL: Tensor, positional: bool) -> Tensor:
    operands_NSL = digits_NL[:, None].expand_as(visits_NSL).gather(2, visits_NSL)
    named_NSL = visits_NSL + BASE + 1 if positional else operands_NSL
    pairs = torch.stack([named_NSL, operands_NSL.cumsum(2) % BASE], dim=-1).flatten(2)
    return torch.cat([pairs, torch.full_like(pairs[..., :1], BASE)], dim=2)


def _verify(prompt_BL: Tensor, trace_BT: Tensor, positional: bool) -> CheckResult:
    length = prompt_BL.shape[1]
    named_BL, sums_BL = trace_BT[:, : 2 * length : 2], trace_BT[:, 1 : 2 * length : 2]
    if positional:
        positions_BL = named_BL - BASE - 1
    else:  # the position at which the named digit stands; `length`, which is none, where it does not occur
        found_BLL = named_BL[:, :, None] == prompt_BL[:, None]
        positions_BL = torch.where(found_BLL.any(-1), found_BLL.int().argmax(-1), length)
    visited_BL = prompt_BL.gather(1, positions_BL.clamp(0, length - 1))
    before_BL = torch.cat([torch.zeros_like(sums_BL[:, :1]), sums_BL[:, :-1]], dim=1)
    follows_BL = sums_BL == (before_BL + visited_BL) % BASE
    steps_B = is_permutation(positions_BL, length) & follows_BL[:, :-1].all(1) & (trace_BT[:, -1] == BASE)
    return CheckResult(steps_B, sums_BL[:, -1] == prompt_BL.sum(1) % BASE)
