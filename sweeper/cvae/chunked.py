"""NLL and inter-latent JSD of large vocabularies, in chunks of positions: nothing of the size of the logits is kept.

Forward and backward each take a chunk of positions at a time through the softmax (and through the head, where hidden
states are given), with the analytic gradient, so that beyond inputs and results memory holds one chunk. Sums are in
float32 at least, whatever the inputs. ``torch.func`` transforms work; second derivatives raise NotImplementedError.
Natural logarithms, nats. Shapes: B batch, K latents, T target positions, V vocabulary, D width, b and t of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from sweeper.cvae.loss_inputs import check_head, check_states, check_targets

Applied = Callable[..., tuple[Any, ...]]
CHUNK = {"cpu": 2**19, "cuda": 2**25}  # logits at a time: those of a core's cache; enough to keep a GPU busy


class ChunkedScores(NamedTuple):
    """-log p(y_t) under each latent, [B,K,T], and the JSD of the latents' next-token distributions, [B,T]."""

    nll_BKT: Tensor
    jsd_BT: Tensor


def scores_from_logits(logits_by_latent: Tensor, target: Tensor, *, check: bool = True) -> ChunkedScores:
    """The scores of tokens ``target`` [B,T] given the logits of each latent, [B,K,T,V].

    Every position has scores, padding too: give it any token, and leave it out of sums by a mask. Raises ValueError for
    shapes and dtypes that do not agree, and, with ``check``, for targets outside the vocabulary, also -100; that waits
    for a GPU once, and is to be left out under ``vmap`` and ``torch.compile``.
    """
    check_states(logits_by_latent, "logits_by_latent", "[B,K,T,V]")
    if check:
        check_targets(target, logits_by_latent, logits_by_latent.shape[-1])
    return ChunkedScores(*_scores(logits_by_latent, None, target))


def scores_from_hidden(hidden_by_latent: Tensor, head: Tensor, target: Tensor, *, check: bool = True) -> ChunkedScores:
    """The same given hidden states [B,K,T,D] and the head [V,D] that makes logits of them: [B,K,T,V] never exists."""
    check_states(hidden_by_latent, "hidden_by_latent", "[B,K,T,D]")
    check_head(hidden_by_latent, head)
    if check:
        check_targets(target, hidden_by_latent, len(head))
    return ChunkedScores(*_scores(hidden_by_latent, head, target))


def jsd_from_logits(logits_BKTV: Tensor) -> Tensor:
    """The JSD of the latents' next-token distributions alone, [B,T]."""
    return ChunkedScores(*_scores(logits_BKTV, None, None)).jsd_BT


def jsd_from_hidden(hidden_BKTD: Tensor, head_VD: Tensor) -> Tensor:
    """The same from hidden states and head, [B,T]."""
    return ChunkedScores(*_scores(hidden_BKTD, head_VD, None)).jsd_BT


class _Softmax(NamedTuple):
    """Of one chunk: p, r = log(p / pbar) and KL(p_k || pbar)."""

    p_bKtV: Tensor
    ratio_bKtV: Tensor
    kl_bKt: Tensor
    logp_of_target_bKt: Tensor | None

    @classmethod
    def of(cls, states: Tensor, head_VD: Tensor | None, target_bt: Tensor | None) -> _Softmax:
        logits_bKtV = states if head_VD is None else states @ head_VD.mT
        ratio_bKtV = logits_bKtV.to(_sums(states)).log_softmax(-1)
        found = None
        if target_bt is not None:
            found = ratio_bKtV.gather(-1, _index(target_bt, ratio_bKtV))[..., 0]
        p_bKtV = ratio_bKtV.exp()
        tiny = torch.finfo(p_bKtV.dtype).tiny
        ratio_bKtV -= p_bKtV.mean(1, keepdim=True).clamp_min_(tiny).log_()
        return cls(p_bKtV, ratio_bKtV, torch.linalg.vecdot(p_bKtV, ratio_bKtV), found)


def _index(target_bt: Tensor, like_bKtV: Tensor) -> Tensor:
    return target_bt[:, None, :, None].expand(*like_bKtV.shape[:-1], 1)


def _sums(states: Tensor) -> torch.dtype:
    """The precision of softmax and sums."""
    return torch.float64 if states.dtype == torch.float64 else torch.float32


def _chunks(states_BKT_: Tensor, vocabulary: int) -> Iterator[tuple[slice, slice]]:
    """Examples and positions of each chunk."""
    batch, latents, positions = states_BKT_.shape[:3]
    most = max(1, CHUNK["cuda" if states_BKT_.is_cuda else "cpu"] // max(1, latents * vocabulary))
    wide = min(positions, most)
    high = max(1, most // max(1, wide))
    for b in range(0, batch, high):
        for t in range(0, positions, max(1, wide)):
            yield slice(b, b + high), slice(t, t + wide)


class _Scores(Function):
    """(states, head or None, target or None) -> NLL [B,K,T] (empty without targets) and JSD [B,T]."""

    @staticmethod
    def forward(states: Tensor, head_VD: Tensor | None, target_BT: Tensor | None) -> tuple[Tensor, Tensor]:
        batch, latents, positions, last = states.shape
        nll_BKT = states.new_empty((batch, latents, positions), dtype=_sums(states))
        jsd_BT = states.new_empty((batch, positions), dtype=_sums(states))
        for b, t in _chunks(states, last if head_VD is None else len(head_VD)):
            of = _Softmax.of(states[b, :, t], head_VD, None if target_BT is None else target_BT[b, t])
            jsd_BT[b, t] = of.kl_bKt.mean(1)
            if of.logp_of_target_bKt is not None:
                nll_BKT[b, :, t] = -of.logp_of_target_bKt
        return (states.new_empty(0) if target_BT is None else nll_BKT), jsd_BT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, head_VD, target_BT = ctx.saved_tensors
        return (*_gradient(states, head_VD, target_BT, *gradients), None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        return _one_by_one(_scores, info.batch_size, in_dims, inputs)


class _Gradient(Function):
    """The gradient of :class:`_Scores` in states and head, given that of a scalar in its results."""

    @staticmethod
    def forward(
        states: Tensor, head_VD: Tensor | None, target_BT: Tensor | None, d_nll_BKT: Tensor, d_jsd_BT: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        d_states = torch.empty_like(states)
        d_head_VD = None if head_VD is None else torch.zeros_like(head_VD, dtype=_sums(states))
        for b, t in _chunks(states, states.shape[-1] if head_VD is None else len(head_VD)):
            here = states[b, :, t]
            target_bt = None if target_BT is None else target_BT[b, t]
            d_nll_bKt = None if target_BT is None else d_nll_BKT[b, :, t]
            d_logits_bKtV = _of_logits(_Softmax.of(here, head_VD, None), target_bt, d_nll_bKt, d_jsd_BT[b, t])
            if head_VD is None or d_head_VD is None:
                d_states[b, :, t] = d_logits_bKtV
            else:
                rows_NV = d_logits_bKtV.to(states.dtype).flatten(0, 2)
                d_states[b, :, t] = (rows_NV @ head_VD).view(here.shape)
                d_head_VD += rows_NV.mT @ here.flatten(0, 2)
        return d_states, None if head_VD is None or d_head_VD is None else d_head_VD.to(head_VD.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Nothing is kept: see backward."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise NotImplementedError(
            "second derivatives of the chunked NLL and JSD: found a gradient of their gradient, expected first "
            "derivatives only; compute the loss from log_softmax in plain torch for these"
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        return _one_by_one(_gradient, info.batch_size, in_dims, inputs)


def _of_logits(of: _Softmax, target_bt: Tensor | None, d_nll_bKt: Tensor | None, d_jsd_bt: Tensor) -> Tensor:
    """d nll = p - 1[target] and d JSD = (1/K) p (r - KL), [b,K,t,V]; exactly 0 where both gradients are.

    In place on r: padding may hold anything, also NaN, which 0 would not cancel.
    """
    share_b1t1 = (d_jsd_bt / of.p_bKtV.shape[1])[:, None, :, None]
    d_bKtV = of.ratio_bKtV.sub_(of.kl_bKt[..., None]).mul_(share_b1t1)
    idle_b1t1 = share_b1t1 == 0
    if target_bt is not None and d_nll_bKt is not None:
        d_bKtV += d_nll_bKt[..., None]
        idle_b1t1 = idle_b1t1 & (d_nll_bKt == 0).all(1)[:, None, :, None]
    d_bKtV *= of.p_bKtV
    if target_bt is not None and d_nll_bKt is not None:
        d_bKtV.scatter_add_(-1, _index(target_bt, d_bKtV), -d_nll_bKt[..., None].to(d_bKtV.dtype))
    return d_bKtV.masked_fill_(idle_b1t1, 0.0)


def _one_by_one(function: Applied, members: int, in_dims: Any, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
    """What ``torch.func.vmap`` gets: each member by itself, as memory is what the chunks are for."""
    found = [
        function(*(one if dim is None else one.select(dim, i) for one, dim in zip(inputs, in_dims, strict=True)))
        for i in range(members)
    ]
    results = tuple(None if parts[0] is None else torch.stack(parts) for parts in zip(*found, strict=True))
    return results, tuple(None if part is None else 0 for part in results)


_scores: Applied = _Scores.apply
_gradient: Applied = _Gradient.apply
