"""Where should z enter the generator? Late (one hidden layer, as built) against early (K copies of the whole network).

``OMP_NUM_THREADS=1 python tests/benchmarks/cvae_latent_entry.py``. The outcome is recorded in cvae_notes.md.
"""

from __future__ import annotations

import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from sweeper.cvae.networks import model
from sweeper.cvae.networks.transformer import Past, causal_bias, linear, normalise
from sweeper.cvae.training import program, train

TASKS = {
    "operator_order": {},
    "ordered_sum position": {"task.name": "ordered_sum"},
    "ordered_sum value": {"task.name": "ordered_sum", "task.emit": "value"},
}
SHARED = {"loss.inter_latent_divergence_weight": 1.0, "train.steps": 800, "train.report_every": 100_000}


class EarlyGenerator(model.Generator):
    """z is added to the embedding of every token, so that all that follows is computed K times."""

    def entry(self) -> Tensor:
        """The vectors added, [M,K,D]: the table of latents is used as one of the width."""
        return self.latent.mT[..., : self.trunk.embedding.position.shape[-1]]

    def entered(self, latents_B: Tensor) -> Tensor:
        """The vector of each row's latent, [M,B,1,D]."""
        return self.entry().index_select(-2, latents_B)[..., None, :]

    def forward(self, prompt_BP: Tensor, previous_BT: Tensor) -> Tensor:
        """Teacher-forced logits [M,B,K,T,V]."""
        h_MBJD, entry_MKD = self.trunk.embedding(prompt_BP, previous_BT), self.entry()
        h_MKBJD = h_MBJD[:, None] + entry_MKD[:, :, None, None]
        h, _ = self._blocks(h_MKBJD.flatten(1, 2), None)
        logits = linear(F.relu(linear(normalise(h), self.read)), self.head)
        return torch.unflatten(logits, 1, (entry_MKD.shape[1], -1)).transpose(1, 2)

    def _blocks(self, h_BJD: Tensor, pasts: tuple[Past, ...] | None) -> tuple[Tensor, tuple[Past, ...]]:
        bias = causal_bias(self.trunk.prompt_length, h_BJD.shape[-2], h_BJD) if pasts is None else None
        kept = []
        for i, block in enumerate(self.trunk.blocks):
            last = i == len(self.trunk.blocks) - 1 and pasts is None
            first = self.trunk.prompt_length - 1 if last else 0
            h_BJD, past = block(h_BJD, bias, None if pasts is None else pasts[i], first=first)
            kept.append(past)
        return h_BJD, tuple(kept)

    def begin(self, prompt_BP: Tensor, latents_B: Tensor) -> tuple[Tensor, model.Reading]:
        """Next-token logits after the prompt."""
        h_BPD = self.trunk.embedding(prompt_BP, prompt_BP[..., :0]) + self.entered(latents_B)
        h_BTD, pasts = self._blocks(h_BPD, None)
        return self._logits(h_BTD), model.Reading(prompt_BP, pasts)

    def extend(
        self, token_B: Tensor, position: int, latents_B: Tensor, state: model.Reading
    ) -> tuple[Tensor, model.Reading]:
        """Next-token logits after one further token."""
        h_B1D = self.trunk.embedding.next(token_B[..., None], position) + self.entered(latents_B)
        h_B1D, pasts = self._blocks(h_B1D, state.pasts)
        return self._logits(h_B1D), state._replace(pasts=pasts)

    def _logits(self, h_BTD: Tensor) -> Tensor:
        return linear(F.relu(linear(normalise(h_BTD[..., -1, :]), self.read)), self.head)


def main() -> None:
    """Prints one line per task and variant; the arguments choose tasks."""
    torch.set_num_threads(1)
    late = model.Generator
    for name in sys.argv[1:] or TASKS:
        for variant, generator in (("late", late), ("early", EarlyGenerator)):
            model.Generator = generator  # type: ignore[misc]
            program._program.cache_clear()
            start = time.perf_counter()
            final = train.train(SHARED | TASKS[name] | {"seed": 0}, lambda step, metrics: None)
            spent = (time.perf_counter() - start) / 800 * 1e3
            shown = " ".join(f"{key} {final[key]:.3f}" for key in ("task_accuracy", "alignment", "nll"))
            print(f"{name:22} {variant:6} {spent:6.1f} ms a step   {shown}", flush=True)


if __name__ == "__main__":
    main()
