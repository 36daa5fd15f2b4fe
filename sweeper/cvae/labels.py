"""What settings and metrics are called where people look. Nothing that trains imports this."""

from __future__ import annotations

LABELS: dict[str, dict[str, str]] = {
    "loss.beta": {"label": "KL weight (beta)", "short": "beta"},
    "loss.posterior_entropy_weight": {"label": "entropy weight", "short": "H"},
    "loss.router_marginal_kl_to_prior_weight": {"label": "marginal KL weight", "short": "mKL"},
    "loss.router_support_weight": {"label": "support weight", "short": "support"},
    "loss.inter_latent_divergence_weight": {"label": "JSD weight", "short": "JSD"},
    "loss.token_weighted_reconstruction_weight": {"label": "token-weighted share (rho)", "short": "rho"},
    "task_accuracy": {"label": "task accuracy", "short": "acc"},
    "posterior_entropy": {"label": "posterior entropy", "short": "entropy"},
    "alignment": {"label": "alignment", "short": "align"},
}
"""Name of a setting or a metric -> its label, in titles, and its short name, in tables and lines."""
