"""``file``: prompts and targets of the user's own, from files; a prompt may have several right targets.

Shapes: N prompts in all, E examples, B batch, P prompt tokens, T trace tokens.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from sweeper.cvae.config import TaskConfig
from sweeper.cvae.data.dataset import ARRAYS, dataset, vocabulary_of
from sweeper.cvae.tasks.task import Batch, CheckResult, LabelledExamples, Splits, counted

TYPES = {"i": torch.int32, "q": torch.int64, "d": torch.float64, "b": torch.int8}
MOST_TARGETS = 32  # of one prompt that are evaluated under teacher forcing; every one counts as right
OutputChecker = Callable[[list[str], list[str]], bool]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences of different lengths, one after the other, in mapped memory."""

    tokens: Tensor
    ends_N: Tensor

    @property
    def longest(self) -> int:
        """The length of the longest."""
        return int(self.ends_N.diff(prepend=torch.zeros(1, dtype=torch.long)).max())

    def padded(self, rows_B: Tensor, length: int, padding: int, in_front: bool) -> Tensor:
        """Some of them, padded to one length, [B,length]."""
        ends_B1 = self.ends_N[rows_B][:, None]
        starts_B1 = torch.where(rows_B > 0, self.ends_N[(rows_B - 1).clamp_min(0)], 0)[:, None]
        place_L = torch.arange(length)
        index_BL = ends_B1 - length + place_L if in_front else starts_B1 + place_L
        there_BL = (index_BL >= starts_B1) & (index_BL < ends_B1)
        return torch.where(there_BL, self.tokens[index_BL.clamp(0, len(self.tokens) - 1)].long(), padding)


@dataclass(frozen=True, slots=True)
class FileTask:
    """A task over the examples of files."""

    prompt_vocabulary: tuple[str, ...]
    trace_vocabulary: tuple[str, ...]
    strategies: tuple[str, ...]
    prompts_of: Sequences
    targets_of: Sequences
    split_N: Tensor
    hash_N: Tensor
    prompt_E: Tensor
    strategy_E: Tensor
    weight_E: Tensor
    prompt_length: int
    trace_length: int
    checker: OutputChecker | None = None
    known: dict[int, dict[tuple[int, ...], int]] = field(default_factory=dict, repr=False)
    name: ClassVar[str] = "file"
    is_sampled: ClassVar[bool] = True
    judges_steps: ClassVar[bool] = False

    @property
    def prompt_padding(self) -> int:
        """The token that prompts are padded with."""
        return len(self.prompt_vocabulary) - 1

    @property
    def end(self) -> int:
        """The token after which nothing counts."""
        return len(self.trace_vocabulary) - 1

    def split(self, test_prompts: int) -> Splits:
        """Prompts by their split; those to evaluate in the order of their hashes, whatever the order of the files."""
        order_N = self.hash_N.argsort(stable=True)
        train_R, reported_N, final_N = (order_N[self.split_N[order_N] == number] for number in range(3))
        final = final_N[:test_prompts] if len(final_N) else None
        return Splits(train_R, reported_N[:test_prompts], final)

    def prompts(self, rows_N: Tensor) -> Tensor:
        """The prompts [N,P] of some rows."""
        return self.prompts_of.padded(rows_N, self.prompt_length, self.prompt_padding, in_front=True)

    def sample(self, rows_R: Tensor, size: int, generator: torch.Generator) -> Batch:
        """``size`` examples with prompts of ``rows_R``, each in proportion to its weight."""
        chosen_N = torch.zeros(len(self.split_N), dtype=torch.bool)
        chosen_N[rows_R] = True
        examples_E = chosen_N[self.prompt_E].nonzero()[:, 0]
        below_E = self.weight_E[examples_E].cumsum(0)
        drawn_B = torch.rand(size, generator=generator, dtype=torch.float64) * below_E[-1]
        place_B = torch.searchsorted(below_E, drawn_B, right=True).clamp_max(len(examples_E) - 1)
        return self._batch(examples_E[place_B])

    def examples(self, rows_N: Tensor) -> LabelledExamples:
        """The targets of each prompt, the first ones where there are very many, with their strategies."""
        place_N = torch.full((len(self.split_N),), -1)
        place_N[rows_N] = torch.arange(len(rows_N))
        found_E = (place_N[self.prompt_E] >= 0).nonzero()[:, 0]
        found_E = found_E[place_N[self.prompt_E[found_E]].argsort(stable=True)]
        prompt_B = place_N[self.prompt_E[found_E]]
        counts_N = torch.bincount(prompt_B, minlength=len(rows_N))
        rank_B = torch.arange(len(prompt_B)) - (counts_N.cumsum(0) - counts_N)[prompt_B]
        found_E, prompt_B = found_E[rank_B < MOST_TARGETS], prompt_B[rank_B < MOST_TARGETS]
        return LabelledExamples(self._batch(found_E), self.strategy_E[found_E].long(), prompt_B)

    def next_tokens(self, rows_N: Tensor) -> None:
        """Unknown: files need not hold every right target."""

    def check(self, rows_B: Tensor, trace_BT: Tensor) -> CheckResult:
        """Whether each output ends and is one of its prompt's targets, or right by the checker."""
        pairs = zip(rows_B.tolist(), trace_BT.tolist(), strict=True)
        right_B = torch.tensor([self._is_right(row, tokens) for row, tokens in pairs], dtype=torch.bool)
        return CheckResult(right_B, right_B)

    def name_strategy(self, rows_B: Tensor, trace_BT: Tensor) -> Tensor:
        """The strategy [B] of the target that each output is; -1 where it is none, or has no strategy."""
        pairs = zip(rows_B.tolist(), trace_BT.tolist(), strict=True)
        return torch.tensor([self._targets(row).get(self._ended(tokens), -1) for row, tokens in pairs])

    def text(self, trace_T: Tensor) -> str:
        """A trace as a person reads it, up to its end."""
        kept = trace_T[(counted(trace_T, self.end) > 0) & (trace_T != self.end)]
        return " ".join(self.trace_vocabulary[token] for token in kept.tolist())

    def _batch(self, examples_B: Tensor) -> Batch:
        target_BT = self.targets_of.padded(examples_B, self.trace_length, self.end, in_front=False)
        return Batch(self.prompts(self.prompt_E[examples_B].long()), target_BT, counted(target_BT, self.end))

    def _ended(self, tokens: list[int]) -> tuple[int, ...]:
        """The tokens before the end; (-1,) where there is none."""
        return tuple(tokens[: tokens.index(self.end)]) if self.end in tokens else (-1,)

    def _targets(self, row: int) -> dict[tuple[int, ...], int]:
        """Each target of a prompt, with its strategy."""
        if row not in self.known:
            found_E = (self.prompt_E == row).nonzero()[:, 0]
            target_BT = self.targets_of.padded(found_E, self.trace_length, self.end, in_front=False)
            tokens = [self._ended(target) for target in target_BT.tolist()]
            self.known[row] = dict(zip(tokens, self.strategy_E[found_E].tolist(), strict=True))
        return self.known[row]

    def _is_right(self, row: int, tokens: list[int]) -> bool:
        written = self._ended(tokens)
        if self.checker is None or written == (-1,):
            return written in self._targets(row)
        prompt = [t for t in self.prompts(torch.tensor([row]))[0].tolist() if t != self.prompt_padding]
        words = [self.prompt_vocabulary[t] for t in prompt], [self.trace_vocabulary[t] for t in written]
        return bool(self.checker(*words))


def file_task(config: TaskConfig) -> FileTask:
    """The task of the files that ``config.path`` names. Raises ValueError for what is wrong with them."""
    assert config.path is not None
    folder = dataset(config.path, config.tokenizer)
    arrays = {name: _mapped(folder / name, TYPES[code]) for name, code in ARRAYS.items()}
    prompts, targets = (Sequences(arrays[f"{name}_tokens"], arrays[f"{name}_ends"]) for name in ("prompt", "target"))
    return FileTask(
        (*vocabulary_of(folder, "prompt"), "<pad>"),
        (*vocabulary_of(folder, "target"), "<end>"),
        tuple(vocabulary_of(folder, "strategy")),
        prompts,
        targets,
        arrays["prompt_split"],
        arrays["prompt_hash"],
        arrays["example_prompt"],
        arrays["example_strategy"],
        arrays["example_weight"],
        prompts.longest,
        targets.longest + 1,
        None if config.checker is None else _load(config.checker),
    )


def _mapped(path: Path, kind: torch.dtype) -> Tensor:
    count = path.stat().st_size // kind.itemsize
    return torch.from_file(str(path), shared=False, size=count, dtype=kind)


def _load(name: str) -> OutputChecker:
    """The function of ``module:function``, from the Python path and the current folder."""
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"task.checker: found {name!r}, which cannot be imported: {error}") from None
    return found  # type: ignore[no-any-return]
