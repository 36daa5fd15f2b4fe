"""``detour``: from a to a + b by way of a + k_s; a strategy is the detour's length k_s.

With ``reveal: marker`` the trace begins with a token that names the detour. With ``reveal: implicit`` it does not,
and any relabelling of z that depends on x is as good: the negative control, where exclusivity comes without alignment.
Shapes: N prompts, S strategies, B batch, P = 2 prompt tokens, T trace tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.cvae.config import TaskConfig
from sweeper.cvae.tasks.enumerated import EnumeratedTask, uniform_strategies
from sweeper.cvae.tasks.task import CheckResult

USUAL_DETOURS = 6
TEST_SHARE = 1 / 8  # here the answer is a function of the whole prompt: sums have to be learnt from most of their table


def detour(config: TaskConfig) -> EnumeratedTask:
    """The task modulo ``config.modulus`` with detours 1 .. S."""
    modulus, marked = config.modulus, config.reveal == "marker"
    count = config.strategies or min(USUAL_DETOURS, modulus - 1)
    digits = torch.arange(modulus)
    prompts_NP = torch.cartesian_prod(digits, digits)
    traces_NST = torch.stack([_trace(prompts_NP, s, modulus, count, marked) for s in range(count)], dim=1)

    def verify(prompt_BP: Tensor, trace_BT: Tensor) -> CheckResult:
        return _verify(prompt_BP, trace_BT, modulus, count, marked)

    markers = tuple(f"via{s + 1}:" for s in range(count)) if marked else ()
    return EnumeratedTask(
        name="detour",
        prompt_vocabulary=tuple(map(str, range(modulus))),
        trace_vocabulary=(*map(str, range(modulus)), ".", *markers),
        strategies=tuple(f"via +{s + 1}" for s in range(count)),
        prompts_NP=prompts_NP,
        traces_NST=traces_NST,
        verify=verify,
        strategy_probabilities_NS=uniform_strategies(traces_NST),
        test_share=TEST_SHARE,
    )


def _trace(prompts_NP: Tensor, strategy: int, modulus: int, count: int, marked: bool) -> Tensor:
    a_N, b_N = prompts_NP.unbind(1)
    marker_N = torch.full_like(a_N, modulus + 1 + strategy)
    first_N = (a_N + strategy + 1) % modulus
    steps = [first_N, (first_N + b_N) % modulus, (a_N + b_N) % modulus, torch.full_like(a_N, modulus)]
    return torch.stack([marker_N, *steps] if marked else steps, dim=1)


def _verify(prompt_BP: Tensor, trace_BT: Tensor, modulus: int, count: int, marked: bool) -> CheckResult:
    a_B, b_B = prompt_BP.unbind(1)
    first_B, second_B, answer_B, end_B = trace_BT[:, -4:].unbind(1)
    length_B = (first_B - a_B) % modulus
    steps_B = (length_B >= 1) & (length_B <= count) & (first_B < modulus) & (end_B == modulus)
    steps_B &= second_B == (first_B + b_B) % modulus
    if marked:
        steps_B &= trace_BT[:, 0] == modulus + length_B
    return CheckResult(steps_B, answer_B == (a_B + b_B) % modulus)
