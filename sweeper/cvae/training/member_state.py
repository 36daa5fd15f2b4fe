"""The state of a pack: one row per member in every tensor.

Shapes: M members, W parameters, K latents, C steps of a chunk, B batch, P prompt tokens, T target positions, X
hyperparameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.terms import LOOKAHEAD, ORACLE_FORK
from sweeper.cvae.training import batches
from sweeper.cvae.training.baseline import BaselineKey, baselines
from sweeper.cvae.training.optimizers.adamw import Moments
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.schedules import HYPERPARAMETERS, hyperparameters

SAVED = ("flat_MW", "mean_MW", "square_MW", "marginal_MK", "step_M", "commit_M")


@dataclass(slots=True)
class BatchedState:
    """All that changes during a training, then what a member's settings fix, then its present chunk.

    ``step_M`` counts the steps done. ``commit_M`` is the first step whose posterior entropy was under half of ln K, -1
    before it. ``bad_M`` is the first step at which something was not finite, -1 before it, and ``term_M`` what that was
    (:data:`sweeper.cvae.training.step.WATCHED`).
    """

    flat_MW: Tensor
    mean_MW: Tensor
    square_MW: Tensor
    marginal_MK: Tensor
    step_M: Tensor
    commit_M: Tensor
    bad_M: Tensor
    term_M: Tensor
    norm_M: Tensor
    scale_MW: Tensor
    decay_MW: Tensor
    clip_M: Tensor
    prompt_MCBP: Tensor
    target_MCBT: Tensor
    baseline_nll_MCBT: Tensor
    importance_MCBT: Tensor
    hyperparameters_MCX: Tensor

    @property
    def moments(self) -> Moments:
        """AdamW's, [M,W]."""
        return Moments(self.mean_MW, self.square_MW)

    def __len__(self) -> int:
        return len(self.flat_MW)

    def select(self, rows: Sequence[int]) -> BatchedState:
        """These members alone, copied."""
        index = torch.tensor(rows, device=self.flat_MW.device)
        return BatchedState(*(tensor.index_select(0, index) for tensor in _tensors(self)))

    def set_row(self, row: int, one: BatchedState) -> None:
        """Replaces a member, in place."""
        for mine, other in zip(_tensors(self), _tensors(one), strict=True):
            mine[row].copy_(other[0])

    def saved(self, row: int) -> dict[str, Tensor]:
        """What a checkpoint of a member holds, on the CPU; the rest follows from its settings."""
        return {name: getattr(self, name)[row].detach().cpu() for name in SAVED}


def cat(states: Iterable[BatchedState]) -> BatchedState:
    """All members of several states, in order."""
    return BatchedState(*(torch.cat(tensors) for tensors in zip(*map(_tensors, states), strict=True)))


def _tensors(state: BatchedState) -> list[Tensor]:
    return [getattr(state, field.name) for field in dataclasses.fields(state)]


def member(program: Program, config: CVAEConfig, seed: int, saved: Mapping[str, Tensor] | None = None) -> BatchedState:
    """A state of one member: at its first step, or where :meth:`BatchedState.saved` left it."""
    layout, train, device = program.layout, config.train, program.device
    flat_W, latents, steps = program.initial_W(seed, layout), config.model.latents, batches.length(program)
    scalars = {"step_M": 0, "commit_M": -1, "bad_M": -1, "term_M": 0}
    chunk = batches.examples(program, seed, 0)
    values = {name: torch.tensor(value, device=device) for name, value in scalars.items()} | {
        "flat_MW": flat_W,
        "mean_MW": torch.zeros_like(flat_W),
        "square_MW": torch.zeros_like(flat_W),
        "marginal_MK": torch.full((latents,), 1 / latents, device=device),
        "norm_M": torch.zeros((), device=device),
        "scale_MW": 1 + (train.router_lr_scale - 1) * layout.router_W,
        "decay_MW": train.weight_decay * layout.decayed_W,
        "clip_M": torch.tensor(train.clip_norm, device=device),
        "prompt_MCBP": torch.empty_like(chunk.prompt_CBP, device=device),
        "target_MCBT": torch.empty_like(chunk.target_CBT, device=device),
        "baseline_nll_MCBT": torch.empty(chunk.target_CBT.shape, device=device),
        "importance_MCBT": torch.empty(*chunk.target_CBT.shape[:2], _important(program, chunk), device=device),
        "hyperparameters_MCX": torch.empty(steps, len(HYPERPARAMETERS), device=device),
    }
    values |= {name: tensor.to(device) for name, tensor in (saved or {}).items()}
    return BatchedState(**{name: tensor[None] for name, tensor in values.items()})


def _important(program: Program, chunk: batches.Examples) -> int:
    """How many positions of a target have an importance: all, or none where no term weighs tokens by it."""
    is_used = program.form.uses(LOOKAHEAD) or program.form.uses(ORACLE_FORK)
    return chunk.target_CBT.shape[-1] if is_used else 0


def load_chunk(program: Program, state: BatchedState, members: Mapping[int, tuple[CVAEConfig, int, int]]) -> None:
    """Loads the chunk of examples, baseline NLLs and hyperparameters that holds each member's next step.

    ``members`` maps a row to its settings, seed and steps done. Everything is made first and moved at once, so that a
    busy GPU is waited for once only.
    """
    made, wanted, length = [], [], batches.length(program)
    for config, seed, step in members.values():
        number = step // length
        values_XC = hyperparameters(config, range(number * length, (number + 1) * length))
        made.append((*batches.examples(program, seed, number), torch.tensor(values_XC).t()))
        wanted.append((BaselineKey.of(config, seed), number))
    rows = torch.tensor(list(members), device=program.device)
    for mine, parts in zip(
        (state.prompt_MCBP, state.target_MCBT, state.hyperparameters_MCX), zip(*made, strict=True), strict=True
    ):
        mine.index_copy_(0, rows, torch.stack(parts).to(program.device))
    state.baseline_nll_MCBT.index_copy_(0, rows, torch.stack(baselines(program).baseline_nll(wanted)))
    if program.form.uses(LOOKAHEAD):
        state.importance_MCBT.index_copy_(0, rows, torch.stack(baselines(program).lookahead(wanted)))
    elif program.form.uses(ORACLE_FORK):
        forks = [batches.fork_weights(program, baseline.seed, number) for baseline, number in wanted]
        state.importance_MCBT.index_copy_(0, rows, torch.stack(forks).to(program.device))
