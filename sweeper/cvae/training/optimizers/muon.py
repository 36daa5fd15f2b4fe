"""Muon: a weight matrix moves along its momentum with all singular values set to about one.

Source: Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks". As there, embeddings, outputs
and vectors stay with AdamW, and so do latents and a prior that is a network. A step has the size of AdamW's (Liu et
al., 2025, "Muon is scalable for LLM training"), so that both share one learning rate. As
`torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`, but in float32, and for all members and all matrices of one shape
at once.

Shapes: M members (any leading dimensions), W parameters, N matrices of R rows and C columns, R <= C.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from sweeper.cvae.training.optimizers.adamw import BETA1
from sweeper.cvae.training.optimizers.layout import NOT_DECAYED, Layout

A, B, C = 3.4445, -4.7750, 2.0315  # of a Newton-Schulz iteration that is steepest at zero
ITERATIONS, EPSILON = 5, 1e-7
AS_ADAMW = 0.2  # the root mean square of AdamW's steps
STACKED = {"key_value": 2}  # parameters that hold several matrices, one below the other
NOT_HIDDEN = (*NOT_DECAYED, "head")


def orthogonalize_(layout: Layout, direction_MW: Tensor, gradient_MW: Tensor, momentum_MW: Tensor) -> None:
    """Replaces the direction of each hidden matrix by its orthogonalised Nesterov momentum, in place."""
    update_MW = gradient_MW.lerp(momentum_MW, BETA1)
    updates, directions = _matrices(layout, update_MW), _matrices(layout, direction_MW)
    for shape, parts in updates.items():
        for direction_MRC, found_MRC in zip(
            directions[shape], orthogonal(torch.stack(parts, -3)).unbind(-3), strict=True
        ):
            direction_MRC.copy_(found_MRC * (AS_ADAMW * max(shape) ** 0.5))


def orthogonal(matrix_NRC: Tensor) -> Tensor:
    """Matrices with the singular vectors of these, R <= C, and singular values between about 0.7 and 1.2."""
    shape = matrix_NRC.shape
    x_NRC = matrix_NRC.reshape(-1, *shape[-2:])
    x_NRC = x_NRC / torch.linalg.matrix_norm(x_NRC, keepdim=True).clamp_min(EPSILON)
    for _ in range(ITERATIONS):
        gram_NRR = torch.bmm(x_NRC, x_NRC.mT)
        x_NRC = torch.baddbmm(x_NRC, torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=B, alpha=C), x_NRC, beta=A)
    return x_NRC.view(shape)


def _matrices(layout: Layout, flat_MW: Tensor) -> dict[tuple[int, int], list[Tensor]]:
    """Views of the hidden matrices [M,R,C] by their shape, none with more rows than columns."""
    found = defaultdict(list)
    for name, parameter in layout.unflatten(flat_MW).items():
        if len(layout.shapes[name]) == 2 and not any(word in name for word in NOT_HIDDEN):
            for part in parameter.chunk(STACKED.get(name.rpartition(".")[2], 1), dim=-2):
                matrix = part.mT if part.shape[-2] > part.shape[-1] else part
                found[matrix.shape[-2], matrix.shape[-1]].append(matrix)
    return found
