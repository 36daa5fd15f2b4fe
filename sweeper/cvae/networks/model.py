"""``SharedDiscreteCVAE``: one generator shared by all latents, a router, a prior, and a z-free baseline.

All of it also runs with stacked parameters, see transformer.py. Shapes: B batch, K latents, P prompt tokens, T target
positions, J = P + T - 1 positions read, V vocabulary, D width, F hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sweeper.cvae.config import HARD_BAYES, ModelConfig
from sweeper.cvae.losses import inter_latent_jsd_loss
from sweeper.cvae.networks.lookahead import BaselineAndLookahead, Lookahead
from sweeper.cvae.networks.transformer import (
    Block,
    Embedding,
    Past,
    causal_bias,
    counted_prompt,
    draw,
    hiding_bias,
    linear,
    normalise,
    parameter,
    product,
)
from sweeper.cvae.tasks import Task

HIDDEN = 2  # hidden units of a perceptron, as a multiple of the width


class CVAEOutput(NamedTuple):
    """What the losses need of one teacher-forced pass.

    ``router_logits_BK`` is None if the router is Bayes' rule, ``baseline_logits_BTV`` if it was not requested, and
    ``lookahead_logits_BTV`` also where the model has no :class:`Lookahead`. ``is_hard``: Bayes' rule takes one latent.
    """

    logits_by_latent_BKTV: Tensor
    router_logits_BK: Tensor | None
    log_prior_BK: Tensor
    baseline_logits_BTV: Tensor | None
    lookahead_logits_BTV: Tensor | None = None
    is_hard: bool = False


class Sizes(NamedTuple):
    """What the networks must know of a task."""

    prompt_vocabulary: int
    prompt_length: int
    trace_vocabulary: int
    trace_length: int
    prompt_padding: int | None = None

    @classmethod
    def of(cls, task: Task) -> Sizes:
        """The sizes of ``task``."""
        vocabularies = len(task.prompt_vocabulary), len(task.trace_vocabulary)
        return cls(vocabularies[0], task.prompt_length, vocabularies[1], task.trace_length, task.prompt_padding)


class Decoder(nn.Module):
    """A causal reader of (x, y_<t): the generator's trunk, and the body of the baseline."""

    def __init__(self, sizes: Sizes, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.prompt_length, self.padding = sizes.prompt_length, sizes.prompt_padding
        positions = sizes.prompt_length + sizes.trace_length - 1
        self.embedding = Embedding(sizes.prompt_vocabulary, sizes.trace_vocabulary, positions, width)
        self.blocks = nn.ModuleList(Block(width, heads, HIDDEN * width) for _ in range(depth))

    def forward(self, prompt_BP: Tensor, previous_BT: Tensor) -> tuple[Tensor, tuple[Past, ...]]:
        """The stream [B,T,D] where a trace token is to be predicted, and what each block remembers of all positions."""
        h_BJD, pasts = self.embedding(prompt_BP, previous_BT), []
        bias_JT = causal_bias(self.prompt_length, h_BJD.shape[-2], h_BJD)
        hiding = self._hiding(prompt_BP, h_BJD)
        if hiding is not None:
            bias_JT = torch.minimum(bias_JT, hiding)
        for depth, block in enumerate(self.blocks, start=1):
            first = self.prompt_length - 1 if depth == len(self.blocks) else 0  # of the rest only the keys are needed
            h_BJD, past = block(h_BJD, bias_JT, first=first)
            pasts.append(past)
        return h_BJD, tuple(pasts)

    def extend(
        self, prompt_BP: Tensor, token_B1: Tensor, position: int, pasts: tuple[Past, ...]
    ) -> tuple[Tensor, tuple[Past, ...]]:
        """The stream [B,1,D] of one further token at ``position``."""
        h_B1D, extended = self.embedding.next(token_B1, position), []
        bias = self._hiding(prompt_BP, h_B1D, position + 1)
        for block, past in zip(self.blocks, pasts, strict=True):
            h_B1D, past = block(h_B1D, bias, past)
            extended.append(past)
        return h_B1D, tuple(extended)

    def _hiding(self, prompt_BP: Tensor, like: Tensor, length: int | None = None) -> Tensor | None:
        """What hides the padding of prompts from all of ``length`` positions, as many as ``like`` [...,J,D] has."""
        if self.padding is None:
            return None
        counts_BP = counted_prompt(prompt_BP, self.padding, like.dtype)
        return hiding_bias(F.pad(counts_BP, (0, (length or like.shape[-2]) - self.prompt_length), value=1.0))


class Reading(NamedTuple):
    """A prompt [B,P], and what each block remembers of it and of the trace so far."""

    prompt_BP: Tensor
    pasts: tuple[Past, ...]


class Generator(nn.Module):
    """p(y_t | x, z, y_<t): a trunk that does not see z, and one hidden layer that does.

    A latent is a vector of biases on the units of that last hidden layer: it opens some and closes others. K copies
    exist of nothing else, and the trunk has to bring to each position whatever any latent may need.
    """

    def __init__(self, sizes: Sizes, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = Decoder(sizes, config.width, config.depth, config.heads)
        self.read = parameter(config.hidden, config.width)
        self.latent = parameter(config.hidden, config.latents)
        self.head = parameter(sizes.trace_vocabulary, config.hidden)

    def reset(self, generator: torch.Generator) -> None:
        """Latents start random, hence distinct: where they tie, the divergence has no gradient."""
        draw(self.read, generator)
        draw(self.latent, generator, gain=self.latent.shape[-1] ** 0.5)
        draw(self.head, generator, gain=0.5)

    def forward(self, prompt_BP: Tensor, previous_BT: Tensor) -> Tensor:
        """Teacher-forced logits [B,K,T,V], stored as V,K,B,T: sums along outer dimensions are vectorised."""
        h_BTD, _ = self.trunk(prompt_BP, previous_BT)
        plain_FN = product(self.read, normalise(h_BTD).flatten(-3, -2).mT)
        hidden_FKN = F.relu(plain_FN[..., None, :] + self.latent[..., None], inplace=True)
        logits_VKBT = torch.unflatten(product(self.head, hidden_FKN.flatten(-2)), -1, (-1, *h_BTD.shape[-3:-1]))
        return logits_VKBT.movedim(-4, -1).transpose(-4, -3)

    def begin(self, prompt_BP: Tensor, latents_B: Tensor) -> tuple[Tensor, Reading]:
        """Next-token logits [B,V] after the prompt under one latent per row, and the state to go on from."""
        h_B1D, pasts = self.trunk(prompt_BP, prompt_BP[..., :0])
        return self._predict(h_B1D[..., 0, :], latents_B), Reading(prompt_BP, pasts)

    def extend(self, token_B: Tensor, position: int, latents_B: Tensor, state: Reading) -> tuple[Tensor, Reading]:
        """Next-token logits [B,V] after one further token at ``position``, and the state to go on from."""
        h_B1D, pasts = self.trunk.extend(state.prompt_BP, token_B[..., None], position, state.pasts)
        return self._predict(h_B1D[..., 0, :], latents_B), state._replace(pasts=pasts)

    def _predict(self, h_BD: Tensor, latents_B: Tensor) -> Tensor:
        entered_BF = self.latent.mT.index_select(-2, latents_B)
        return linear(F.relu(linear(normalise(h_BD), self.read) + entered_BF), self.head)


class Baseline(nn.Module):
    """p0(y_t | x, y_<t): a small decoder that never sees z."""

    def __init__(self, sizes: Sizes, config: ModelConfig) -> None:
        super().__init__()
        self.body = Decoder(sizes, config.baseline_width, config.baseline_depth, config.heads)
        self.head = parameter(sizes.trace_vocabulary, config.baseline_width)

    def reset(self, generator: torch.Generator) -> None:
        """Draws the head; the body's parts draw their own."""
        draw(self.head, generator, gain=0.5)

    def forward(self, prompt_BP: Tensor, previous_BT: Tensor) -> Tensor:
        """Teacher-forced logits [B,T,V]."""
        return self.read(prompt_BP, previous_BT)[1]

    def read(self, prompt_BP: Tensor, previous_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The normalised states [B,T,D] and the logits [B,T,V] that the head makes of them."""
        h_BTD = normalise(self.body(prompt_BP, previous_BT)[0])
        return h_BTD, linear(h_BTD, self.head)


class Router(nn.Module):
    """q(z | x, y): a bidirectional encoder, its mean over the tokens that count, and one product."""

    def __init__(self, sizes: Sizes, config: ModelConfig) -> None:
        super().__init__()
        width = config.router_width
        positions, self.padding = sizes.prompt_length + sizes.trace_length, sizes.prompt_padding
        self.embedding = Embedding(sizes.prompt_vocabulary, sizes.trace_vocabulary, positions, width)
        self.blocks = nn.ModuleList(Block(width, 1, HIDDEN * width) for _ in range(config.router_depth))
        self.head = parameter(config.latents, width)

    def reset(self, generator: torch.Generator) -> None:
        """A small head: the posterior starts near uniform, yet not at it."""
        draw(self.head, generator, gain=0.5)

    def forward(self, prompt_BP: Tensor, target_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Logits [B,K]."""
        h_BJD = self.embedding(prompt_BP, target_BT)
        counts_BJ = torch.cat([counted_prompt(prompt_BP, self.padding, mask_BT.dtype), mask_BT], dim=-1)
        bias = hiding_bias(counts_BJ).to(h_BJD.dtype)
        for block in self.blocks:
            h_BJD, _ = block(h_BJD, bias)
        pooled_BD = (normalise(h_BJD) * counts_BJ[..., None]).sum(-2) / counts_BJ.sum(-1, keepdim=True)
        return linear(normalise(pooled_BD), self.head)


class Prior(nn.Module):
    """log p(z) or log p(z|x): uniform, one learnt vector, or a linear function of the prompt's tokens."""

    def __init__(self, sizes: Sizes, config: ModelConfig) -> None:
        super().__init__()
        self.kind, self.latents, self.padding = config.prior, config.latents, sizes.prompt_padding
        if self.kind == "learned":
            self.logits = parameter(1, config.latents)
        elif self.kind == "conditional":
            self.embedding = Embedding(sizes.prompt_vocabulary, 1, sizes.prompt_length, config.router_width)
            self.block = Block(config.router_width, 1, HIDDEN * config.router_width)
            self.head = parameter(config.latents, config.router_width)

    def reset(self, generator: torch.Generator) -> None:
        """Starts at the uniform distribution."""
        with torch.no_grad():
            for weight in self.parameters(recurse=False):
                weight.zero_()

    def forward(self, prompt_BP: Tensor, dtype: torch.dtype) -> Tensor:
        """Log-probabilities [B,K]."""
        if self.kind == "conditional":
            h_BPD = self.embedding(prompt_BP, prompt_BP[..., :0])
            if self.padding is None:
                mean_BD = self.block(h_BPD, None)[0].mean(-2)
            else:
                counts_BP = counted_prompt(prompt_BP, self.padding, h_BPD.dtype)
                h_BPD = self.block(h_BPD, hiding_bias(counts_BP))[0] * counts_BP[..., None]
                mean_BD = h_BPD.sum(-2) / counts_BP.sum(-1, keepdim=True)
            return linear(normalise(mean_BD), self.head).to(dtype).log_softmax(-1)
        if self.kind == "learned":
            return self.logits.log_softmax(-1).expand(*prompt_BP.shape[:-1], -1)
        logits_BK = torch.zeros(*prompt_BP.shape[:-1], self.latents, device=prompt_BP.device, dtype=dtype)
        return logits_BK.log_softmax(-1)


class SharedDiscreteCVAE(nn.Module):
    """p(y|x) = sum_z p(z) p(y|x,z) by exact enumeration of z, with a router q(z|x,y) and a z-free baseline p0(y|x).

    With ``lookahead`` a second z-free model p1 also sees what follows a token.

    It holds parameters and no state, and draws from no generator but the one given to :meth:`reset`, so that
    ``torch.func.functional_call`` makes it a pure function. Attribute names are the groups of the optimiser.

    >>> model = SharedDiscreteCVAE(Sizes(10, 5, 20, 9), ModelConfig(latents=6))
    >>> model.reset(torch.Generator().manual_seed(0))
    >>> len(dict(model.named_children()))  # generator, router, prior, baseline
    4
    """

    def __init__(self, sizes: Sizes, config: ModelConfig, lookahead: bool = False) -> None:
        super().__init__()
        self.sizes, self.config = sizes, config
        self.generator = Generator(sizes, config)
        self.router = Router(sizes, config) if config.router == "network" else None
        self.prior = Prior(sizes, config)
        self.baseline = Baseline(sizes, config)
        width, depth = config.baseline_width, config.baseline_depth
        reader = Decoder(sizes, width, depth, config.heads) if lookahead else None  # after all others are drawn
        self.lookahead = None if reader is None else Lookahead(reader, width, sizes.trace_vocabulary)

    def reset(self, generator: torch.Generator) -> None:
        """Draws every parameter from ``generator``, in the order of the modules."""
        for module in self.modules():
            if isinstance(module, Embedding | Block | Generator | Baseline | Router | Prior | Lookahead):
                module.reset(generator)

    def forward(self, prompt_BP: Tensor, target_BT: Tensor, mask_BT: Tensor, with_baseline: bool = True) -> CVAEOutput:
        """One teacher-forced pass over prompt [B,P] and target [B,T]; mask [B,T] is 1 where a token counts."""
        previous_BT = target_BT[..., :-1]
        logits_BKTV = self.generator(prompt_BP, previous_BT)
        router_BK = None if self.router is None else self.router(prompt_BP, target_BT, mask_BT)
        prior_BK = self.prior(prompt_BP, torch.promote_types(logits_BKTV.dtype, torch.float32))  # also under autocast
        z_free = BaselineAndLookahead(self.baseline, self.lookahead)(prompt_BP, target_BT) if with_baseline else ()
        baseline_BTV, lookahead_BTV = z_free or (None, None)
        is_hard = self.config.router == HARD_BAYES
        return CVAEOutput(logits_BKTV, router_BK, prior_BK, baseline_BTV, lookahead_BTV, is_hard)

    def compute_inter_latent_divergence_loss(
        self, logits_by_latent_BKTV: Tensor, baseline_nll_BT: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The note's name for :func:`sweeper.cvae.losses.inter_latent_jsd_loss`."""
        return inter_latent_jsd_loss(logits_by_latent_BKTV, baseline_nll_BT, mask_BT)


def with_parameters(model: SharedDiscreteCVAE, parameters: Mapping[str, Tensor]) -> SharedDiscreteCVAE:
    """A model like ``model`` that holds these parameters, which may be stacked [M, ...]."""
    copied = SharedDiscreteCVAE(model.sizes, model.config, model.lookahead is not None)
    for name, tensor in parameters.items():
        owner, _, leaf = name.rpartition(".")
        setattr(copied.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
    return copied
