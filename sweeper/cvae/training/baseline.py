"""The training of the z-free baseline: once for all members that share a seed, in chunks, ahead of their steps.

No swept weight reaches the baseline, so that members of one seed, and later trials of this process, share one. Results
are cached; the least recently used are dropped when memory runs short, and trained again when needed.
Shapes: G baselines trained together, C steps of a chunk, B batch, P prompt tokens, T target positions, W parameters.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from sweeper.cvae import losses
from sweeper.cvae.config import CVAEConfig, TrainConfig
from sweeper.cvae.networks.lookahead import BaselineAndLookahead
from sweeper.cvae.objective import baseline_nll
from sweeper.cvae.tasks.task import counted
from sweeper.cvae.training import batches
from sweeper.cvae.training.cuda_graph import CudaGraphRunner
from sweeper.cvae.training.optimizers.adamw import Moments, bias_correction, clip_
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.schedules import learning_rate

KEPT_BYTES = 256e6  # some thousand chunks of the default task
TOGETHER = {"cpu": 16, "cuda": 64}  # baselines trained together: more are no faster, and take memory


class BaselineKey(NamedTuple):
    """All that a baseline depends on, besides the program; settings that do not reach it have their defaults."""

    seed: int
    train: TrainConfig

    @classmethod
    def of(cls, config: CVAEConfig, seed: int) -> BaselineKey:
        """The key of the baseline that a member with these settings uses."""
        usual = TrainConfig()
        away = ("router_lr_scale", "baseline_warmup", "stop_when", "patience", "patience_metric", "compile", "device")
        return cls(seed, dataclasses.replace(config.train, **{name: getattr(usual, name) for name in away}))

    def reports_at(self, step: int) -> bool:
        """Whether members report after so many steps, and so need the baseline's parameters."""
        return step == self.train.steps or step % self.train.report_every == 0


class StepChunk(NamedTuple):
    """The results of one chunk: -log p0 of each token [C,B,T], and the parameters [W] after the steps that report.

    ``lookahead_CBT`` is KL(p1 || p0) of each token, [C,B,0] without a look-ahead model.
    """

    baseline_nll_CBT: Tensor
    lookahead_CBT: Tensor
    parameters: dict[int, Tensor]

    @property
    def bytes(self) -> int:
        """Its size in memory."""
        return sum(tensor.nbytes for tensor in (self.baseline_nll_CBT, self.lookahead_CBT, *self.parameters.values()))


@dataclass(slots=True, eq=False)
class BaselineState:
    """A baseline in training: its parameters and AdamW's moments, [W] each, after ``done`` chunks."""

    key: BaselineKey
    moving: Sequence[Tensor]
    done: int = 0


@dataclass(slots=True, eq=False)
class BaselineBatch:
    """Several baselines, one row each, while they take the steps of one chunk."""

    flat_GW: Tensor
    mean_GW: Tensor
    square_GW: Tensor
    decay_GW: Tensor
    clip_G: Tensor
    rate_GC: Tensor
    correction_GC: Tensor
    prompt_GCBP: Tensor
    target_GCBT: Tensor
    baseline_nll_GCBT: Tensor
    lookahead_GCBT: Tensor
    at_1: Tensor

    @property
    def moving(self) -> tuple[Tensor, Tensor, Tensor]:
        """What training changes."""
        return self.flat_GW, self.mean_GW, self.square_GW

    @classmethod
    def of(cls, program: Program, states: Sequence[BaselineState], number: int) -> BaselineBatch:
        """These baselines before the first step of chunk ``number``."""
        device, keys = program.device, [one.key for one in states]
        flat_GW, mean_GW, square_GW = (torch.stack(rows) for rows in zip(*(one.moving for one in states), strict=True))
        steps = [number * batches.length(program) + at + 1 for at in range(batches.length(program))]
        examples = [batches.examples(program, key.seed, number) for key in keys]
        target_GCBT = torch.stack([each.target_CBT for each in examples]).to(device)

        def numbers(values: list[float] | list[list[float]]) -> Tensor:
            return torch.tensor(values, device=device)

        return cls(
            flat_GW,
            mean_GW,
            square_GW,
            numbers([key.train.weight_decay for key in keys])[:, None] * program.baseline_layout.decayed_W,
            numbers([key.train.clip_norm for key in keys]),
            numbers([[key.train.baseline_lr_scale * learning_rate(key.train, s) for s in steps] for key in keys]),
            numbers([[bias_correction(step) for step in steps]] * len(keys)),
            torch.stack([each.prompt_CBP for each in examples]).to(device),
            target_GCBT,
            torch.zeros(target_GCBT.shape, device=device),
            torch.zeros(target_GCBT.shape if program.model.lookahead else (*target_GCBT.shape[:-1], 0), device=device),
            torch.zeros(1, dtype=torch.long, device=device),
        )

    def copy_from(self, other: BaselineBatch) -> None:
        """Copies all of ``other``, in place."""
        for each in dataclasses.fields(self):
            getattr(self, each.name).copy_(getattr(other, each.name))

    def advance(self, program: Program) -> None:
        """One step of all, in place, without waiting for the device."""
        prompt_GBP, target_GBT, rate_G, correction_G = (
            tensor.index_select(1, self.at_1).squeeze(1)
            for tensor in (self.prompt_GCBP, self.target_GCBT, self.rate_GC, self.correction_GC)
        )
        prompt_GBP, target_GBT = prompt_GBP.long(), target_GBT.long()
        tokens_G = counted(target_GBT, program.task.end, self.flat_GW.dtype).sum((-2, -1))
        parts = zip(prompt_GBP.chunk(program.accumulation, 1), target_GBT.chunk(program.accumulation, 1), strict=True)
        found = [self._part(program, prompt, target, tokens_G) for prompt, target in parts]
        gradients, nlls, divergences = zip(*found, strict=True)
        with torch.no_grad():
            gradient_GW = gradients[0] if len(gradients) == 1 else torch.stack(gradients).sum(0)
            self.baseline_nll_GCBT.index_copy_(1, self.at_1, torch.cat(nlls, 1).unsqueeze(1))
            if program.model.lookahead is not None:
                self.lookahead_GCBT.index_copy_(1, self.at_1, torch.cat(divergences, 1).unsqueeze(1))
            for part_GW in program.baseline_layout.split(gradient_GW, by="baseline."):
                clip_(part_GW, self.clip_G)
            moments = Moments(self.mean_GW, self.square_GW)
            update = gradient_GW, moments, correction_G, rate_G[:, None], self.decay_GW
            program.update_(program.baseline_layout, self.flat_GW, *update)
            self.at_1.add_(1)

    def _part(
        self, program: Program, prompt_GBP: Tensor, target_GBT: Tensor, tokens_G: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient [G,W] of some examples of a step of ``tokens_G`` tokens, their NLL and divergence [G,B,T]."""
        flat_GW = self.flat_GW.detach().requires_grad_()
        weights = program.baseline_layout.unflatten(flat_GW)
        both = BaselineAndLookahead(program.model.baseline, program.model.lookahead)
        with program.autocast():
            logits_GBTV, lookahead_GBTV = functional_call(both, weights, (prompt_GBP, target_GBT))
        nll_GBT = baseline_nll(logits_GBTV, target_GBT)
        mask_GBT = counted(target_GBT, program.task.end, nll_GBT.dtype)
        loss_G, divergence_GBT = losses.reconstruction(nll_GBT, mask_GBT, per_token=True), nll_GBT[..., :0]
        if lookahead_GBTV is not None:  # its gradient and the baseline's are of other parameters
            loss_G = loss_G + losses.reconstruction(baseline_nll(lookahead_GBTV, target_GBT), mask_GBT, per_token=True)
            divergence_GBT = losses.lookahead_divergence(lookahead_GBTV, logits_GBTV)
        if program.accumulation > 1:
            loss_G = loss_G * (mask_GBT.sum((-2, -1)) / tokens_G)
        (gradient_GW,) = torch.autograd.grad(loss_G.sum(), flat_GW)
        return gradient_GW, nll_GBT.detach(), divergence_GBT.detach()


class BaselineTrainer(CudaGraphRunner):
    """Takes the steps of some rows."""

    def __init__(self, program: Program, rows: BaselineBatch) -> None:
        super().__init__(program.device, lambda: rows.advance(program))
        self.rows = rows


@dataclass(slots=True, eq=False)
class Baselines:
    """The baselines of one program, and their cached results."""

    program: Program
    states: dict[BaselineKey, list[BaselineState]] = field(default_factory=dict)
    results: OrderedDict[tuple[BaselineState, int], StepChunk] = field(default_factory=OrderedDict)
    trainer: BaselineTrainer | None = None

    def baseline_nll(self, wanted: Sequence[tuple[BaselineKey, int]]) -> list[Tensor]:
        """-log p0 of each token [C,B,T] in a chunk, for each key and number of a chunk."""
        found = self._chunks(dict.fromkeys(wanted))
        return [found[one].baseline_nll_CBT for one in wanted]

    def lookahead(self, wanted: Sequence[tuple[BaselineKey, int]]) -> list[Tensor]:
        """KL(p1 || p0) of each token [C,B,T] in a chunk, likewise."""
        found = self._chunks(dict.fromkeys(wanted))
        return [found[one].lookahead_CBT for one in wanted]

    def parameters(self, wanted: Sequence[tuple[BaselineKey, int]]) -> Tensor:
        """The parameters [M,W] of each key after a number of steps at which it reports."""
        length = batches.length(self.program)
        places = [(key, (step - 1) // length) for key, step in wanted]
        found = self._chunks(dict.fromkeys(places))
        return torch.stack([found[place].parameters[step] for place, (_, step) in zip(places, wanted, strict=True)])

    def _chunks(self, wanted: Collection[tuple[BaselineKey, int]]) -> dict[tuple[BaselineKey, int], StepChunk]:
        found = {one: chunk for one in wanted if (chunk := self._found(*one)) is not None}
        while len(found) < len(wanted):
            behind = list(dict.fromkeys(self._nearest(*one) for one in wanted if one not in found))
            least = min(each.done for each in behind)
            together = [each for each in behind if each.done == least]
            self._train(together[: TOGETHER[self.program.device.type]], least)
            found |= {one: chunk for one in wanted if (chunk := self._found(*one)) is not None}
            self._forget({key for key, _ in wanted})
        return found

    def _found(self, key: BaselineKey, number: int) -> StepChunk | None:
        for each in self.states.get(key, []):
            if (each, number) in self.results:
                self.results.move_to_end((each, number))
                return self.results[each, number]
        return None

    def _nearest(self, key: BaselineKey, number: int) -> BaselineState:
        """The baseline nearest before this chunk; a new one where all are past it, or there is none."""
        states = self.states.setdefault(key, [])
        before = [each for each in states if each.done <= number]
        if not before:
            flat_W = self.program.initial_W(key.seed, self.program.baseline_layout)
            before = [BaselineState(key, [flat_W, torch.zeros_like(flat_W), torch.zeros_like(flat_W)])]
            states.extend(before)
        return max(before, key=lambda each: each.done)

    def _train(self, states: list[BaselineState], number: int) -> None:
        """Takes all of them through chunk ``number``."""
        trainer, length = self._loaded(states, number), batches.length(self.program)
        step, last = number * length, min((number + 1) * length, max(each.key.train.steps for each in states))
        kept: list[dict[int, Tensor]] = [{} for _ in states]
        for mark in range(step + 1, last + 1):
            due = [i for i, each in enumerate(states) if each.key.reports_at(mark)]
            if due or mark == last:
                trainer.run(mark - step)
                step = mark
            for i in due:
                kept[i][mark] = trainer.rows.flat_GW[i].clone()
        for i, each in enumerate(states):
            each.moving, each.done = [tensor[i].clone() for tensor in trainer.rows.moving], number + 1
            self.results[each, number] = StepChunk(
                trainer.rows.baseline_nll_GCBT[i].clone(), trainer.rows.lookahead_GCBT[i].clone(), kept[i]
            )

    def _loaded(self, states: list[BaselineState], number: int) -> BaselineTrainer:
        """The baselines in rows: those of the last chunk where the number is the same, because its step is recorded."""
        loaded = BaselineBatch.of(self.program, states, number)
        if self.trainer is not None and len(self.trainer.rows.flat_GW) == len(states):
            self.trainer.rows.copy_from(loaded)
        else:
            self.trainer = BaselineTrainer(self.program, loaded)
        return self.trainer

    def _forget(self, used: Collection[BaselineKey]) -> None:
        """Drops the least recently used results, and baselines without any, except those in use."""
        size = sum(chunk.bytes for chunk in self.results.values())
        while size > KEPT_BYTES:
            (owner, _), dropped = self.results.popitem(last=False)
            size -= dropped.bytes
            if owner.key not in used and not any(each is owner for each, _ in self.results):
                self.states[owner.key].remove(owner)
        self.states = {key: states for key, states in self.states.items() if states}


@lru_cache(maxsize=4)
def baselines(program: Program) -> Baselines:
    """The baselines of this program, shared by all its packs."""
    return Baselines(program)
