"""A task that can be enumerated: all its prompts and, for each prompt and strategy, the one trace that follows it.

Shapes: N prompts in all, R rows (indices of prompts), B batch, P prompt tokens, S strategies, T trace tokens, Y style
tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sweeper.cvae.tasks.task import SPLIT_SEED, Batch, Checker, CheckResult, LabelledExamples, Splits


@dataclass(frozen=True, slots=True)
class EnumeratedTask:
    """A task over a finite population of prompts, with traces of one length.

    ``traces_NST`` is free of style tokens; ``style_probabilities`` [Y] and ``layout`` describe those of a sampled
    target: for each of its positions that of the trace, or -1, -2, ... for a style that was drawn; none by default.
    ``strategy_probabilities_NS`` is p(s|x). ``verify(prompt_BP, trace_BT)`` judges a style-free trace by the rules of
    the task, not by comparison with the table.
    """

    name: str
    prompt_vocabulary: tuple[str, ...]
    trace_vocabulary: tuple[str, ...]
    strategies: tuple[str, ...]
    prompts_NP: Tensor
    traces_NST: Tensor
    verify: Checker
    strategy_probabilities_NS: Tensor
    layout: tuple[int, ...] = ()
    style_probabilities: Tensor | None = None
    test_share: float = 0.5
    prompt_padding: ClassVar[None] = None
    end: ClassVar[None] = None
    is_sampled: ClassVar[bool] = False
    judges_steps: ClassVar[bool] = True

    @property
    def prompt_length(self) -> int:
        """P."""
        return self.prompts_NP.shape[1]

    @property
    def trace_length(self) -> int:
        """T: style tokens, the trace, and the end-of-sequence token."""
        return self.style_tokens + self.traces_NST.shape[-1]

    @property
    def style_tokens(self) -> int:
        """How many tokens of a target are style."""
        return sum(place < 0 for place in self.layout)

    def with_style(self, trace_BL: Tensor, style_BY: Tensor) -> Tensor:
        """A trace, or what belongs to its tokens, with that of the styles drawn, at their places, [B,T]."""
        if not self.style_tokens:
            return trace_BL
        drawn = -min(self.layout)
        return torch.cat([style_BY[:, :drawn].flip(1), trace_BL], dim=1)[:, [place + drawn for place in self.layout]]

    def without_style(self, target_BT: Tensor) -> Tensor:
        """The trace of a target, [B,L]."""
        return target_BT[:, [i for i, place in enumerate(self.layout) if place >= 0]] if self.layout else target_BT

    def split(self, test_prompts: int) -> Splits:
        """Rows for training and for testing, disjoint; the test takes ``test_share`` at most. One split for all."""
        generator = torch.Generator().manual_seed(SPLIT_SEED)
        order = torch.randperm(len(self.prompts_NP), generator=generator)
        n_test = max(1, min(test_prompts, int(len(order) * self.test_share)))
        return Splits(order[n_test:], order[:n_test])

    def prompts(self, rows_N: Tensor) -> Tensor:
        """The prompts [N,P] of some rows."""
        return self.prompts_NP[rows_N]

    def sample(self, rows_R: Tensor, size: int, generator: torch.Generator) -> Batch:
        """``size`` examples: a prompt of ``rows_R``, a strategy from p(s|x), style tokens; all from ``generator``."""
        rows_B = rows_R[torch.randint(len(rows_R), (size,), generator=generator)]
        below_BS = self.strategy_probabilities_NS[rows_B].cumsum(-1)
        # by its cumulative probabilities: a fifth of the time of torch.multinomial
        drawn_B1 = torch.rand(size, 1, generator=generator) * below_BS[:, -1:]
        trace_BT = self.traces_NST[rows_B, (below_BS[:, :-1] <= drawn_B1).sum(-1)]
        return self._batch(rows_B, self._styled(trace_BT, generator))

    def examples(self, rows_N: Tensor) -> LabelledExamples:
        """Every prompt of ``rows_N`` with each of its strategies, prompt-major."""
        count = len(self.strategies)
        generator = torch.Generator().manual_seed(SPLIT_SEED)
        trace_BT = self._styled(self.traces_NST[rows_N].flatten(0, 1), generator)
        batch = self._batch(rows_N.repeat_interleave(count), trace_BT)
        return LabelledExamples(
            batch, torch.arange(count).repeat(len(rows_N)), torch.arange(len(rows_N)).repeat_interleave(count)
        )

    def next_tokens(self, rows_N: Tensor) -> Tensor:
        """How many tokens may come next in each example, given its prefix, [B,T]."""
        counts_BT = valid_next_tokens(self.traces_NST[rows_N], len(self.trace_vocabulary))
        styles = 1 if self.style_probabilities is None else int((self.style_probabilities > 1e-6).sum())
        found_BT = self.with_style(counts_BT, torch.full((len(counts_BT), self.style_tokens), float(styles)))
        found_BT[:, self._repeats()] = 1  # a style that was there already
        return found_BT

    def check(self, rows_B: Tensor, trace_BT: Tensor) -> CheckResult:
        """Whether each step but the answer is valid, and whether the answer is right, of free-running outputs."""
        verdict = self.verify(self.prompts_NP[rows_B], self.without_style(trace_BT))
        style_BY = trace_BT[:, [i for i, place in enumerate(self.layout) if place < 0]]
        first_style = len(self.trace_vocabulary) - (
            0 if self.style_probabilities is None else len(self.style_probabilities)
        )
        same_B = torch.ones_like(verdict.steps_B)
        for position in self._repeats():
            same_B &= trace_BT[:, position] == trace_BT[:, self.layout.index(self.layout[position])]
        return CheckResult(verdict.steps_B & (style_BY >= first_style).all(-1) & same_B, verdict.answer_B)

    def name_strategy(self, rows_B: Tensor, trace_BT: Tensor) -> Tensor:
        """The strategy [B] whose trace it is, style aside; -1 where it is none."""
        same_BS = (self.traces_NST[rows_B] == self.without_style(trace_BT)[:, None]).all(-1)
        return torch.where(same_BS.any(-1), same_BS.int().argmax(-1), -1)

    def text(self, trace_T: Tensor) -> str:
        """A trace as a person reads it."""
        return " ".join(self.trace_vocabulary[token] for token in trace_T.tolist())

    def _styled(self, trace_BT: Tensor, generator: torch.Generator) -> Tensor:
        if not self.style_tokens or self.style_probabilities is None:
            return trace_BT
        draws = len(trace_BT) * self.style_tokens
        style_D = torch.multinomial(self.style_probabilities, draws, replacement=True, generator=generator)
        first_style = len(self.trace_vocabulary) - len(self.style_probabilities)
        return self.with_style(trace_BT, style_D.view(len(trace_BT), -1) + first_style)

    def _repeats(self) -> list[int]:
        """Where a style stands that stood before."""
        return [i for i, place in enumerate(self.layout) if place < 0 and self.layout.index(place) < i]

    def _batch(self, rows_B: Tensor, target_BT: Tensor) -> Batch:
        return Batch(self.prompts_NP[rows_B], target_BT, torch.ones(target_BT.shape))


def valid_next_tokens(traces_NST: Tensor, vocabulary: int) -> Tensor:
    """How many tokens of all traces of its prompt may come next in each, given its prefix, [N S,T]."""
    same_NSST = traces_NST[:, :, None] == traces_NST[:, None]
    agrees_NSST = torch.cat([torch.ones_like(same_NSST[..., :1]), same_NSST[..., :-1].cumprod(-1).bool()], dim=-1)
    tokens_NSTV = torch.nn.functional.one_hot(traces_NST, vocabulary).float()
    reachable_NSTV = torch.einsum("nzst,nstv->nztv", agrees_NSST.float(), tokens_NSTV) > 0
    return reachable_NSTV.sum(-1).flatten(0, 1).float()


def uniform_strategies(traces_NST: Tensor) -> Tensor:
    """p(s|x) = 1/S, [N,S]."""
    count, strategies = traces_NST.shape[:2]
    return torch.full((count, strategies), 1 / strategies)


def is_permutation(tokens_BL: Tensor, count: int) -> Tensor:
    """Whether each row holds each of 0 .. count-1 once, [B]."""
    return (tokens_BL.sort(dim=-1).values == torch.arange(count)).all(-1)
