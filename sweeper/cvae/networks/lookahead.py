"""p1(y_t | x, y_<t, y_>t): the z-free model that also sees what follows a token.

A causal reader of the reversed trace stands next to the baseline, which is one of the trace, and a head over both
states: one pass each, whatever the length. Shapes: B batch, P prompt tokens, T target positions, V vocabulary, D width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sweeper.cvae.networks.transformer import draw, linear, normalise, parameter


class Lookahead(nn.Module):
    """What the future adds to the baseline's logits: logits1 = logits0 + W relu(A [h_past, h_future]).

    No gradient reaches the baseline. W starts at 0, so that p1 starts as p0.
    """

    def __init__(self, reader: nn.Module, width: int, vocabulary: int) -> None:
        super().__init__()
        self.reader = reader
        self.mix = parameter(width, 2 * width)
        self.head = parameter(vocabulary, width)

    def reset(self, generator: torch.Generator) -> None:
        """Draws A; the reader's parts draw their own."""
        draw(self.mix, generator)
        with torch.no_grad():
            self.head.zero_()

    def forward(self, prompt_BP: Tensor, target_BT: Tensor, past_BTD: Tensor, logits_BTV: Tensor) -> Tensor:
        """Logits [B,T,V] given the normalised states and logits of the baseline."""
        future_BTD = self.reader(prompt_BP, target_BT.flip(-1)[..., :-1])[0].flip(-2)
        both_BTE = torch.cat([past_BTD.detach(), normalise(future_BTD)], dim=-1)
        return logits_BTV.detach() + linear(F.relu(linear(both_BTE, self.mix)), self.head)


class BaselineAndLookahead(nn.Module):
    """Both z-free models as one module, whose parameters have the names that they have in the whole model."""

    def __init__(self, baseline: Any, lookahead: nn.Module | None) -> None:
        super().__init__()
        self.baseline, self.lookahead = baseline, lookahead

    def forward(self, prompt_BP: Tensor, target_BT: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits [B,T,V] of p0, and of p1 where there is one."""
        h_BTD, logits_BTV = self.baseline.read(prompt_BP, target_BT[..., :-1])
        if self.lookahead is None:
            return logits_BTV, None
        return logits_BTV, self.lookahead(prompt_BP, target_BT, h_BTD, logits_BTV)
