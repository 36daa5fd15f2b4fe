"""An ordinary decoder of one's own, trained with the losses, the router and the baseline of `sweeper.cvae`.

Run it with `sweeper run own_module.yaml`. The data have three ways to one answer: from x count on by 1, 3 or 6 modulo
9, three times; then all meet again in a 0. Shapes: B batch, K latents, P prompt, T target, V vocabulary.
"""

import torch
from torch import nn

from sweeper.cvae import inter_latent_jsd_loss, losses
from sweeper.cvae.config import ModelConfig
from sweeper.cvae.evaluation.alignment import cross_fitted_alignment
from sweeper.cvae.networks.model import Router, Sizes

V, P, T = 9, 1, 4
STEPS = torch.tensor([1, 3, 6])


class Decoder(nn.Module):
    """Somebody's language model: it knows token ids and nothing of latents."""

    def __init__(self, vocabulary, positions, width=32):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, input_ids):
        mask = nn.Transformer.generate_square_subsequent_mask(input_ids.shape[1])
        h = self.tokens(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        return self.head(self.blocks(h, mask=mask, is_causal=True))


def logits_by_latent(model, prompt, target, latents):
    """[B,K,T,V]: a latent is one more token, in front; its embedding is learnt like any other."""
    ids = torch.cat([prompt, target[:, :-1]], dim=1).repeat_interleave(latents, 0)
    latent = V + torch.arange(latents).repeat(len(prompt))[:, None]
    return model(torch.cat([latent, ids], dim=1))[:, P:, :V].unflatten(0, (-1, latents))


def examples(count, generator):
    """Prompts [B,P], targets [B,T], and the strategy of each, which training never reads."""
    x, strategy = torch.randint(V, (count, 1), generator=generator), torch.randint(3, (count,), generator=generator)
    steps = STEPS[strategy][:, None] * torch.arange(1, T)
    return x, torch.cat([(x + steps) % V, torch.zeros_like(x)], dim=1), strategy


def train(params, report):
    generator, latents = torch.Generator().manual_seed(params["seed"]), params["latents"]
    model, z_free = Decoder(V + latents, 1 + P + T - 1), Decoder(V, P + T - 1)
    router = Router(Sizes(V, P, V, T), ModelConfig(latents=latents, router_width=16))
    for module in router.modules():  # the library's networks have no content until they are reset
        getattr(module, "reset", lambda generator: None)(generator)
    parameters = [*model.parameters(), *router.parameters(), *z_free.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=params["lr"])
    log_prior = torch.zeros(params["batch"], latents).log_softmax(-1)
    for step in range(1, params["steps"] + 1):
        x, y, _ = examples(params["batch"], generator)
        mask = torch.ones(y.shape)
        logits = logits_by_latent(model, x, y, latents)
        nll = losses.token_nll(losses.log_probabilities(logits), y[:, None])
        log_q = router(x, y, mask).log_softmax(-1)
        past = torch.cat([x, y[:, :-1]], dim=1)
        baseline = losses.token_nll(z_free(past)[:, P - 1 :].log_softmax(-1), y)  # any callable that gives [B,T]
        loss = losses.reconstruction(losses.expected_nll(log_q, nll), mask, per_token=False) + baseline.mean()
        loss = loss + params["beta"] * losses.posterior_kl(log_q, log_prior)
        loss = loss + params["marginal"] * losses.marginal_kl(log_q.exp().mean(0), log_prior)
        loss = loss + params["jsd"] * inter_latent_jsd_loss(logits, baseline, mask)[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % params["report_every"] == 0:
            report(step, evaluate(model, router, latents))


@torch.no_grad()
def evaluate(model, router, latents):
    x, y, strategy = examples(300, torch.Generator().manual_seed(1))
    q = router(x, y, torch.ones(y.shape)).softmax(-1)
    logits = logits_by_latent(model, x, y, latents)[torch.arange(len(x)), q.argmax(-1)]
    first_half = torch.arange(len(x)) % 2 == 0
    return {
        "alignment": cross_fitted_alignment(q, strategy, len(STEPS), first_half),
        "accuracy": float((logits.argmax(-1) == y).all(-1).float().mean()),
    }


train.parameters = {"jsd": 0.0, "beta": 1.0, "marginal": 0.0, "latents": 3, "lr": 3e-3, "batch": 64}
train.parameters |= {"steps": 600, "report_every": 200}
train.metrics = {
    "alignment": "match of latents and strategies, [0, 1], chance 1/3",
    "accuracy": "share of targets whose every token is likeliest, z from the router, [0, 1]",
}
