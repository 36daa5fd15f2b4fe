"""``operator_order``: x = (a, b, c); operators that commute; a strategy is the order in which they are applied.

The trace is ``op1 v1 op2 v2 ... EOS``: the last value is the same for every order.
Shapes: N prompts, S strategies, B batch, P = 3 prompt tokens, L operators, T = 2 L + 1 trace tokens.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from sweeper.cvae.config import TaskConfig
from sweeper.cvae.tasks.enumerated import EnumeratedTask, is_permutation, uniform_strategies
from sweeper.cvae.tasks.task import CheckResult

OPERATOR_NAMES = ("+b", "+c", "+3", "+5")


def operator_order(config: TaskConfig) -> EnumeratedTask:
    """The task with ``config.operators`` operators modulo ``config.modulus``; S = operators!"""
    modulus, count = config.modulus, config.operators
    digits = torch.arange(modulus)
    prompts_NP = torch.cartesian_prod(digits, digits, digits)
    orders = list(permutations(range(count)))
    traces_NST = torch.stack([_trace(prompts_NP, order, modulus) for order in orders], dim=1)

    def verify(prompt_BP: Tensor, trace_BT: Tensor) -> CheckResult:
        return _verify(prompt_BP, trace_BT, modulus, count)

    return EnumeratedTask(
        name="operator_order",
        prompt_vocabulary=tuple(map(str, range(modulus))),
        trace_vocabulary=(*map(str, range(modulus)), *OPERATOR_NAMES[:count], "."),
        strategies=tuple(" ".join(OPERATOR_NAMES[i] for i in order) for order in orders),
        prompts_NP=prompts_NP,
        traces_NST=traces_NST,
        verify=verify,
        strategy_probabilities_NS=uniform_strategies(traces_NST),
    )


def _amounts(prompt_BP: Tensor, count: int) -> Tensor:
    constants_B2 = torch.tensor([3, 5]).expand(len(prompt_BP), 2)
    return torch.cat([prompt_BP[:, 1:], constants_B2], dim=1)[:, :count]


def _trace(prompts_NP: Tensor, order: tuple[int, ...], modulus: int) -> Tensor:
    amounts_NL = _amounts(prompts_NP, len(order))[:, list(order)]
    values_NL = (prompts_NP[:, :1] + amounts_NL.cumsum(1)) % modulus
    operators_NL = (torch.tensor(order) + modulus).expand_as(values_NL)
    end_N1 = torch.full_like(prompts_NP[:, :1], modulus + len(order))
    return torch.cat([torch.stack([operators_NL, values_NL], dim=-1).flatten(1), end_N1], dim=1)


def _verify(prompt_BP: Tensor, trace_BT: Tensor, modulus: int, count: int) -> CheckResult:
    operators_BL, values_BL = trace_BT[:, : 2 * count : 2] - modulus, trace_BT[:, 1 : 2 * count : 2]
    amounts_BL = _amounts(prompt_BP, count)
    chosen_BL = amounts_BL.gather(1, operators_BL.clamp(0, count - 1))
    before_BL = torch.cat([prompt_BP[:, :1], values_BL[:, :-1]], dim=1)
    follows_BL = values_BL == (before_BL + chosen_BL) % modulus
    ended_B = trace_BT[:, -1] == modulus + count
    steps_B = is_permutation(operators_BL, count) & follows_BL[:, :-1].all(1) & ended_B
    answer_B = (prompt_BP[:, 0] + amounts_BL.sum(1)) % modulus
    return CheckResult(steps_B, values_BL[:, -1] == answer_B)
