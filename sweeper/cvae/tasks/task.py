"""What a task is to the trainer and to the evaluation, whether its examples are enumerated, sampled or read from files.

Shapes: R rows (indices of prompts), N rows to evaluate, B batch, P prompt tokens, T trace tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

SPLIT_SEED = 20260319  # one split for all trials: what differs between two trials is not what they are tested on


class Batch(NamedTuple):
    """LabelledExamples to learn from: prompt [B,P] and target [B,T] tokens, mask [B,T] (1 where a token counts)."""

    prompt_BP: Tensor
    target_BT: Tensor
    mask_BT: Tensor


class CheckResult(NamedTuple):
    """The checker's result for a trace: every step but the answer is valid; the answer is right. Bool [B] each."""

    steps_B: Tensor
    answer_B: Tensor


Checker = Callable[[Tensor, Tensor], CheckResult]


class Splits(NamedTuple):
    """Disjoint rows of prompts: for training, for what is reported while training, and for a last test at its end.

    What is reported decides: stops, searches, the best. Without ``final_N`` it is itself the test.
    """

    train_R: Tensor
    reported_N: Tensor
    final_N: Tensor | None = None

    @property
    def tested_N(self) -> Tensor:
        """The rows that the last word on a model comes from."""
        return self.reported_N if self.final_N is None else self.final_N


class LabelledExamples(NamedTuple):
    """Examples to evaluate on, those of one prompt together: strategies [B], -1 where unknown; places in N [B]."""

    batch: Batch
    strategy_B: Tensor
    prompt_B: Tensor


class Task(Protocol):
    """Prompts by row, targets for each, and the rules of what is right.

    Sequences of different lengths are padded to P and T: prompts in front, with ``prompt_padding``, a token of the
    prompt vocabulary that no network attends to; traces behind, by repeating ``end``: nothing after the first one
    counts. None where all have one length. ``strategies`` is () where none are known, ``is_sampled`` means that the
    evaluated prompts are a sample of a larger population, and ``judges_steps`` that the checker tells steps from
    answers.
    """

    @property
    def name(self) -> str:
        """The name in ``task.name``."""

    @property
    def prompt_vocabulary(self) -> tuple[str, ...]:
        """The tokens of prompts, as text."""

    @property
    def trace_vocabulary(self) -> tuple[str, ...]:
        """The tokens of traces, as text."""

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names of the strategies; () where none are known."""

    @property
    def prompt_length(self) -> int:
        """P."""

    @property
    def trace_length(self) -> int:
        """T, the end-of-sequence token included."""

    @property
    def prompt_padding(self) -> int | None:
        """The token that prompts are padded with."""

    @property
    def end(self) -> int | None:
        """The token after which nothing counts."""

    @property
    def is_sampled(self) -> bool:
        """Whether evaluated prompts stand for a larger population, so that metrics have standard errors."""

    @property
    def judges_steps(self) -> bool:
        """Whether the checker tells valid steps from right answers."""

    def split(self, test_prompts: int) -> Splits:
        """The rows of each split, ``test_prompts`` at most of those to evaluate. The same for all trials."""

    def prompts(self, rows_N: Tensor) -> Tensor:
        """The prompts [N,P] of some rows."""

    def sample(self, rows_R: Tensor, size: int, generator: torch.Generator) -> Batch:
        """``size`` examples for training with prompts of ``rows_R``; all randomness is from ``generator``."""

    def examples(self, rows_N: Tensor) -> LabelledExamples:
        """The targets of each prompt, with their strategies, which training never sees."""

    def next_tokens(self, rows_N: Tensor) -> Tensor | None:
        """How many tokens may come next in each of these examples, given its prefix, [B,T]; None if unknown."""

    def check(self, rows_B: Tensor, trace_BT: Tensor) -> CheckResult:
        """Whether each step but the answer is valid, and whether the answer is right, of free-running outputs."""

    def name_strategy(self, rows_B: Tensor, trace_BT: Tensor) -> Tensor:
        """The strategy [B] whose trace it is; -1 where it is none."""

    def text(self, trace_T: Tensor) -> str:
        """A trace as a person reads it."""


def counted(tokens_BT: Tensor, end: int | None, dtype: torch.dtype = torch.float32) -> Tensor:
    """The mask of traces [B,T]: 1 up to the first ``end`` and at it, 0 behind; 1 everywhere if there is no ``end``."""
    if end is None:
        return torch.ones_like(tokens_BT, dtype=dtype)
    ends_BT = tokens_BT == end
    return (ends_BT.cumsum(-1) - ends_BT.long() == 0).to(dtype)


def without_padding(tokens_BT: Tensor, end: int | None) -> Tensor:
    """Traces in which every token behind the first ``end`` is ``end``: one trace, one row of tokens."""
    return tokens_BT if end is None else torch.where(counted(tokens_BT, end) > 0, tokens_BT, end)
