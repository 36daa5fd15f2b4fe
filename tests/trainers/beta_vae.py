"""A variational autoencoder of points on a ring; `sweeper run beta_vae.yaml` trains packs of it as one program."""

import torch
from torch import nn
from torch.nn import functional as F

import sweeper


class VAE(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, 4))
        self.decoder = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)


def model(params):
    return VAE(params["width"], params["dropout"])


def batch(params, step, generator):
    angle = 6.2832 * torch.rand(params["batch"], generator=generator)
    return torch.stack([angle.cos(), angle.sin()], dim=-1) + 0.1 * torch.randn(params["batch"], 2, generator=generator)


def loss(model, x, params):
    mean, log_variance = model.encode(x)
    z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1).mean()
    error = F.mse_loss(model.decoder(z), x)
    return error + params["beta"] * kl, {"error": error, "kl": kl}


def evaluate(model, params):
    z = torch.randn(1000, 2)
    return {"off_ring": float((model.decoder(z).norm(dim=-1) - 1).abs().mean())}


parameters = {"beta": 0.1, "lr": 0.01, "dropout": 0.0, "width": 32, "batch": 64, "steps": 400, "report_every": 100}
metrics = {"off_ring": "distance of generated points from the ring, at least 0", "kl": "nats, at least 0"}
train = sweeper.fuse(
    model,
    loss,
    batch=batch,
    optimizer="adamw",
    parameters=parameters,
    fixed=["dropout"],
    evaluate=evaluate,
    metrics=metrics,
)
