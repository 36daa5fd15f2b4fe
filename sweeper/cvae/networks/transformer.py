"""The blocks all networks are made of: pre-norm attention and a ReLU perceptron, without biases.

Every function counts its dimensions from the last: where parameters are stacked [M, ...], one per member, inputs and
results have the same first dimension, and M networks run as one (batched products). Small tables are one-hot products,
large ones are gathered, and attention over many positions is torch's own kernel (kernels.py). Modules hold shapes and
parameters, never state, and draw from no global generator.

Chosen by measurement on one core, where a default step is about 10 ms: torch's softmax along a last dimension of ten
costs 1 ms, along the one before it 0.25 ms; LayerNorm has half the backward time of RMSNorm; ReLU a third of ReLU
squared.
Shapes: B batch, T positions computed now, J positions attended to, D width, H heads, C width of a head.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sweeper.cvae.networks.kernels import FUSED_ABOVE, GATHERED_ABOVE

FORBIDDEN = torch.finfo(torch.float32).min / 2  # not -inf: a row of -inf has NaN gradients


class Past(NamedTuple):
    """Keys and values [B,H,J,C] of the positions already read, so that decoding reads each token once."""

    key_BHJC: Tensor
    value_BHJC: Tensor


def parameter(*shape: int) -> nn.Parameter:
    """A parameter without content: :func:`draw` fills it from an explicit generator."""
    return nn.Parameter(torch.empty(shape))


def draw(weight: Tensor, generator: torch.Generator, gain: float = 1.0) -> None:
    """Fills a weight [out, in] in place from N(0, gain^2 / in)."""
    with torch.no_grad():
        weight.normal_(0.0, gain / math.sqrt(weight.shape[-1]), generator=generator)


def causal_bias(prompt_length: int, length: int, like: Tensor) -> Tensor:
    """[J,T]: 0 where position t may attend to j, FORBIDDEN elsewhere; the prompt sees itself whole."""
    j, t = torch.arange(length, device=like.device)[:, None], torch.arange(length, device=like.device)
    return torch.where(j <= t.clamp_min(prompt_length - 1), 0.0, FORBIDDEN).to(like.dtype)


def counted_prompt(prompt_BP: Tensor, padding: int | None, dtype: torch.dtype) -> Tensor:
    """The mask of prompts [B,P]: 1 where a token counts."""
    return torch.ones_like(prompt_BP, dtype=dtype) if padding is None else (prompt_BP != padding).to(dtype)


def hiding_bias(counts_BJ: Tensor) -> Tensor:
    """[B,1,J,1]: FORBIDDEN at the masked positions."""
    return torch.where(counts_BJ > 0, 0.0, FORBIDDEN).to(counts_BJ.dtype)[..., None, :, None]


def normalise(h_D: Tensor) -> Tensor:
    """Zero mean and unit variance along the last dimension, without gain or bias."""
    return F.layer_norm(h_D, h_D.shape[-1:])


def linear(h_D: Tensor, weight: Tensor) -> Tensor:
    """h [..., in] times weight [out, in], or h [M, ..., in] times weight [M, out, in]: one product per member."""
    rows_ND = h_D.flatten(weight.dim() - 2, -2)
    return product(rows_ND, weight.mT).view(*h_D.shape[:-1], weight.shape[-2])


def product(a: Tensor, b: Tensor) -> Tensor:
    """The product of two matrices, or of two stacks of as many: fewer small operations than ``@`` makes of it."""
    return torch.bmm(a, b) if a.dim() == 3 else torch.mm(a, b)


def perceptron(h_D: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """down(relu(up(h)))."""
    rows_ND = h_D.flatten(up.dim() - 2, -2)
    hidden_NF = F.relu(product(rows_ND, up.mT), inplace=True)
    return product(hidden_NF, down.mT).view(h_D.shape)


def one_hot(tokens: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Indicator vectors [..., size]."""
    return (tokens[..., None] == torch.arange(size, device=tokens.device)).to(dtype)


def look_up(tokens: Tensor, table_VD: Tensor) -> Tensor:
    """The rows of a table, [..., D]."""
    rows = table_VD.shape[-2]
    if rows > GATHERED_ABOVE:
        if table_VD.dim() == 3:  # one table per member, all in a row
            first_M = rows * torch.arange(len(table_VD), device=tokens.device)
            tokens, table_VD = tokens + first_M.view(-1, *(1,) * (tokens.dim() - 1)), table_VD.flatten(0, 1)
        return F.embedding(tokens, table_VD)
    return linear(one_hot(tokens, rows, table_VD.dtype), table_VD.mT)


def split_heads(h_BTD: Tensor, heads: int) -> Tensor:
    """[B,T,D] to [B,H,T,C]."""
    return torch.unflatten(h_BTD, -1, (heads, -1)).transpose(-3, -2)


def attention(query_BHTC: Tensor, key_BHJC: Tensor, value_BHJC: Tensor, bias_JT: Tensor | None) -> Tensor:
    """What each position reads, [B,H,T,C]; ``bias_JT`` [..., J, T] or [..., J, 1] is added to the scores."""
    query_BHTC = query_BHTC * key_BHJC.shape[-1] ** -0.5
    scores_BHJT = torch.bmm(key_BHJC.flatten(0, -3), query_BHTC.flatten(0, -3).mT).view(*key_BHJC.shape[:-1], -1)
    if bias_JT is not None:
        scores_BHJT = scores_BHJT + bias_JT
    share_BHTJ = torch.softmax(scores_BHJT, dim=-2).transpose(-1, -2)
    return torch.bmm(share_BHTJ.flatten(0, -3), value_BHJC.flatten(0, -3)).view(*share_BHTJ.shape[:-1], -1)


def fused_attention(query_BHTC: Tensor, key_BHJC: Tensor, value_BHJC: Tensor, bias_JT: Tensor | None) -> Tensor:
    """The same by torch's kernel, which holds no scores; it takes one dimension of batches, not two."""
    queries, length = query_BHTC.shape[:-3], key_BHJC.shape[-2]
    mask = None
    if bias_JT is not None:
        mask = bias_JT.mT.expand(*bias_JT.shape[:-2], query_BHTC.shape[-2], length)
        mask = mask.flatten(0, -4) if mask.dim() > 4 else mask
    query, key, value = (part.flatten(0, -4) for part in (query_BHTC, key_BHJC, value_BHJC))
    read = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return read.reshape(*queries, *query_BHTC.shape[-3:])


class Embedding(nn.Module):
    """Prompt tokens followed by trace tokens, each with its own table, plus a learnt vector a position."""

    def __init__(self, prompt_vocabulary: int, trace_vocabulary: int, positions: int, width: int) -> None:
        super().__init__()
        self.prompt, self.trace = parameter(prompt_vocabulary, width), parameter(trace_vocabulary, width)
        self.position = parameter(positions, width)

    def reset(self, generator: torch.Generator) -> None:
        """Draws all tables from N(0, 1/2)."""
        for table in (self.prompt, self.trace, self.position):
            draw(table, generator, gain=math.sqrt(table.shape[-1] / 2))

    def forward(self, prompt_BP: Tensor, trace_BT: Tensor) -> Tensor:
        """[B,P] and [B,T] tokens to [B,P+T,D]."""
        h_BJD = torch.cat([look_up(prompt_BP, self.prompt), look_up(trace_BT, self.trace)], dim=-2)
        return h_BJD + self.position[..., None, : h_BJD.shape[-2], :]

    def next(self, token_B1: Tensor, position: int) -> Tensor:
        """One further trace token, [B,1,D]."""
        return look_up(token_B1, self.trace) + self.position[..., None, position : position + 1, :]


class Block(nn.Module):
    """Self-attention, then a perceptron; both read a normalised stream and add to it."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = parameter(width, width), parameter(2 * width, width)
        self.out = parameter(width, width)
        self.up, self.down = parameter(hidden, width), parameter(width, hidden)

    def reset(self, generator: torch.Generator) -> None:
        """Draws the weights; what adds to the stream starts small."""
        for weight in (self.query, self.key_value, self.up):
            draw(weight, generator)
        for weight in (self.out, self.down):
            draw(weight, generator, gain=0.5)

    def forward(
        self, h_BJD: Tensor, bias_JT: Tensor | None, past: Past | None = None, first: int = 0
    ) -> tuple[Tensor, Past]:
        """The next stream [B,T,D] from position ``first`` on, and the keys and values so far.

        ``bias_JT`` [..., J, J] is added to the scores: a column per reading position, a row per position read.
        """
        plain_BJD = normalise(h_BJD)
        key, value = (split_heads(part, self.heads) for part in linear(plain_BJD, self.key_value).chunk(2, dim=-1))
        if past is not None:
            key, value = torch.cat([past.key_BHJC, key], dim=-2), torch.cat([past.value_BHJC, value], dim=-2)
        query = split_heads(linear(plain_BJD[..., first:, :], self.query), self.heads)
        bias_JT = None if bias_JT is None else bias_JT[..., first:]
        attend = fused_attention if past is None and key.shape[-2] > FUSED_ABOVE else attention
        read_BHTC = attend(query, key, value, bias_JT)
        h_BTD = h_BJD[..., first:, :] + linear(read_BHTC.transpose(-3, -2).flatten(-2), self.out)
        return h_BTD + perceptron(normalise(h_BTD), self.up, self.down), Past(key, value)
