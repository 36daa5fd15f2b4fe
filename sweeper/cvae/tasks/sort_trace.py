"""``sort_trace``: x = a list of digits; y = the trace of an algorithm that sorts it; a strategy is the algorithm.

The trace is the steps of :mod:`sweeper.cvae.tasks.sorting`, three tokens each, then ``=``, the sorted digits and EOS.
Lists and traces differ in length. The population is far too large to enumerate: prompts are drawn, once for all trials,
and traces written when they are needed. Shapes: N prompts, B batch, P prompt tokens, S strategies, T trace tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from sweeper.cvae.config import TaskConfig
from sweeper.cvae.tasks.enumerated import valid_next_tokens
from sweeper.cvae.tasks.sorting import ALGORITHMS, OUTCOMES, Step, apply, trace
from sweeper.cvae.tasks.task import SPLIT_SEED, Batch, CheckResult, LabelledExamples, Splits, counted
from sweeper.cvae.tasks.variation import skewed

BASE = 10
SHORTEST = 5
POPULATION = 65_536  # prompts drawn: enough that none is learnt by heart
HELD_OUT = 1 / 8  # of the prompts, at most, for validation, and as many for the test


@dataclass(frozen=True, slots=True)
class SortTrace:
    """The task with lists of ``SHORTEST`` to ``prompt_length`` digits, and the algorithms in ``strategies``."""

    prompt_length: int
    strategies: tuple[str, ...]
    prompts_NP: Tensor
    strategy_probabilities_NS: Tensor
    name: ClassVar[str] = "sort_trace"
    is_sampled: ClassVar[bool] = True
    judges_steps: ClassVar[bool] = True
    prompt_vocabulary: ClassVar[tuple[str, ...]] = (*map(str, range(BASE)), "_")
    prompt_padding: ClassVar[int] = BASE
    trace_vocabulary: tuple[str, ...] = field(init=False)
    end: int = field(init=False)

    def __post_init__(self) -> None:
        positions = tuple(f"#{i + 1}" for i in range(self.prompt_length))
        vocabulary = (*map(str, range(BASE)), *OUTCOMES, "=", ".", *positions)
        object.__setattr__(self, "trace_vocabulary", vocabulary)
        object.__setattr__(self, "end", vocabulary.index("."))

    @property
    def trace_length(self) -> int:
        """T: no algorithm takes more than all pairs and an exchange per element."""
        length = self.prompt_length
        return 3 * (length * (length - 1) // 2 + length - 1) + length + 2

    def split(self, test_prompts: int) -> Splits:
        """The prompts as drawn: first those to validate on, then those to test on, then those to train on."""
        held_out = max(1, min(test_prompts, int(len(self.prompts_NP) * HELD_OUT)))
        order = torch.arange(len(self.prompts_NP))
        return Splits(order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out])

    def prompts(self, rows_N: Tensor) -> Tensor:
        """The prompts [N,P] of some rows."""
        return self.prompts_NP[rows_N]

    def sample(self, rows_R: Tensor, size: int, generator: torch.Generator) -> Batch:
        """``size`` examples: a prompt of ``rows_R`` and an algorithm from p(s|x)."""
        rows_B = rows_R[torch.randint(len(rows_R), (size,), generator=generator)]
        below_BS = self.strategy_probabilities_NS[rows_B].cumsum(-1)
        drawn_B1 = torch.rand(size, 1, generator=generator) * below_BS[:, -1:]
        return self._batch(rows_B, (below_BS[:, :-1] <= drawn_B1).sum(-1))

    def examples(self, rows_N: Tensor) -> LabelledExamples:
        """Every prompt of ``rows_N`` with the trace of each algorithm."""
        count = len(self.strategies)
        strategy_B = torch.arange(count).repeat(len(rows_N))
        prompt_B = torch.arange(len(rows_N)).repeat_interleave(count)
        return LabelledExamples(self._batch(rows_N[prompt_B], strategy_B), strategy_B, prompt_B)

    def traces(self, prompt_BP: Tensor) -> Tensor:
        """What each algorithm writes for these prompts, padded, [B,S,T]."""
        traces_BST = torch.full((len(prompt_BP), len(self.strategies), self.trace_length), self.end)
        for traces_ST, prompt in zip(traces_BST, prompt_BP.tolist(), strict=True):
            for trace_T, strategy in zip(traces_ST, range(len(self.strategies)), strict=True):
                tokens = self._tokens(self._digits(prompt), strategy)
                trace_T[: len(tokens)] = torch.tensor(tokens)
        return traces_BST

    def next_tokens(self, rows_N: Tensor) -> Tensor:
        """How many tokens may come next in each example if one of the algorithms goes on, [B,T]."""
        traces_NST = torch.unflatten(self.examples(rows_N).batch.target_BT, 0, (len(rows_N), -1))
        return valid_next_tokens(traces_NST, len(self.trace_vocabulary))

    def check(self, rows_B: Tensor, trace_BT: Tensor) -> CheckResult:
        """Replays each trace: whether its steps are true and sort the list, and whether it ends in the sorted list."""
        prompts_BP = self.prompts_NP[rows_B].tolist()
        judged = [self._judge(*pair) for pair in zip(prompts_BP, trace_BT.tolist(), strict=True)]
        return CheckResult(*(torch.tensor(column, dtype=torch.bool) for column in zip(*judged, strict=True)))

    def name_strategy(self, rows_B: Tensor, trace_BT: Tensor) -> Tensor:
        """The algorithm [B] whose trace it is; -1 where it is none's."""
        found, written = [], {}
        for row, tokens in zip(rows_B.tolist(), trace_BT.tolist(), strict=True):
            if row not in written:
                digits = self._digits(self.prompts_NP[row].tolist())
                written[row] = [self._tokens(digits, s) for s in range(len(self.strategies))]
            ends = tokens.index(self.end) + 1 if self.end in tokens else len(tokens) + 1
            found.append(written[row].index(tokens[:ends]) if tokens[:ends] in written[row] else -1)
        return torch.tensor(found)

    def text(self, trace_T: Tensor) -> str:
        """A trace as a person reads it, up to its end."""
        kept = trace_T[counted(trace_T, self.end) > 0]
        return " ".join(self.trace_vocabulary[token] for token in kept.tolist())

    def _batch(self, rows_B: Tensor, strategy_B: Tensor) -> Batch:
        prompt_BP, target_BT = self.prompts_NP[rows_B], torch.full((len(rows_B), self.trace_length), self.end)
        for target_T, prompt, strategy in zip(target_BT, prompt_BP.tolist(), strategy_B.tolist(), strict=True):
            tokens = self._tokens(self._digits(prompt), strategy)
            target_T[: len(tokens)] = torch.tensor(tokens)
        return Batch(prompt_BP, target_BT, counted(target_BT, self.end))

    def _digits(self, prompt: Sequence[int]) -> list[int]:
        return [token for token in prompt if token != self.prompt_padding]

    def _tokens(self, digits: list[int], strategy: int) -> list[int]:
        """The trace of an algorithm, EOS included."""
        first = self.end + 1
        steps = trace(self.strategies[strategy], digits)
        written = [token for i, j, what in steps for token in (first + i, first + j, BASE + OUTCOMES.index(what))]
        return [*written, self.end - 1, *sorted(digits), self.end]

    def _judge(self, prompt: Sequence[int], tokens: Sequence[int]) -> tuple[bool, bool]:
        """Whether all steps are valid, and whether the answer is right."""
        values = self._digits(prompt)
        written = tokens[: tokens.index(self.end)] if self.end in tokens else tokens
        equals = written.index(self.end - 1) if self.end - 1 in written else len(written)
        answer_right = self.end in tokens and list(written[equals + 1 :]) == sorted(values)
        triples = [written[at : at + 3] for at in range(0, equals, 3)]
        steps_valid = equals < len(written) and all(apply(self._step(triple), values) for triple in triples)
        return steps_valid and values == sorted(values), answer_right

    def _step(self, triple: Sequence[int]) -> Step:
        """Three tokens as a step; one that is never true where they are none."""
        names = [self.trace_vocabulary[token] for token in triple]
        if len(names) < 3 or not (names[0][0] == names[1][0] == "#"):
            return 0, 0, ""
        return int(names[0][1:]) - 1, int(names[1][1:]) - 1, names[2]


def sort_trace(config: TaskConfig) -> SortTrace:
    """The task with lists of up to ``config.longest`` digits and the first ``config.strategies`` algorithms."""
    strategies = tuple(ALGORITHMS)[: config.strategies or len(ALGORITHMS)]
    prompts_NP = _prompts(config.longest)
    probabilities_NS = skewed(len(prompts_NP), len(strategies), config.skew, config.skew_by == "prompt")
    return SortTrace(config.longest, strategies, prompts_NP, probabilities_NS)


def _prompts(longest: int) -> Tensor:
    """Different lists, padded in front, in random order, [N,P]; lengths are equally likely but for doublets."""
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    digits_NP = torch.randint(BASE, (POPULATION, longest), generator=generator)
    length_N1 = torch.randint(SHORTEST, longest + 1, (POPULATION, 1), generator=generator)
    digits_NP = torch.where(torch.arange(longest) >= longest - length_N1, digits_NP, SortTrace.prompt_padding)
    return torch.tensor(list(dict.fromkeys(map(tuple, digits_NP.tolist()))))
