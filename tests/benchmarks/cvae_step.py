"""What a step of the bundled trainer costs on one core, and where the time goes.

Run alone on an otherwise idle machine: ``OMP_NUM_THREADS=1 python tests/benchmarks/cvae_step.py``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from sweeper.cvae import losses
from sweeper.cvae.config import build
from sweeper.cvae.objective import combine, score
from sweeper.cvae.train import Trainer, TrainingState, advance, evaluate_state, loss_weights, prepare

JSD = {"loss.inter_latent_divergence_weight": 1.0}


def seconds(work: Callable[[], object], repeats: int = 60) -> float:
    """The median time of one call, the first few aside."""
    for _ in range(5):
        work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def to_accuracy(params: dict[str, object], seed: int) -> tuple[int, float]:
    """Steps and seconds of training until task_accuracy >= 0.985, looked at every 50 steps."""
    trainer, state = prepare(build(params), seed)
    spent = 0.0
    while state.step < trainer.config.train.steps:
        start = time.perf_counter()
        advance(trainer, state, {})
        spent += time.perf_counter() - start
        if state.step % 50 == 0 and evaluate_state(trainer, state, {}).metrics["task_accuracy"] >= 0.985:
            break
    return state.step, spent


def term_times(trainer: Trainer, state: TrainingState) -> dict[str, float]:
    """Seconds of each term alone, forwards and backwards, from log-probabilities that are given."""
    batch = trainer.task.sample(trainer.train_rows_R, trainer.config.train.batch_size, state.data)
    with torch.no_grad():
        output = trainer.model(*batch)
        scores = score(output, batch)
    # keep the layout in which the generator leaves its logits
    logits = output.logits_by_latent_BKTV.permute(3, 1, 0, 2).clone().permute(2, 1, 3, 0).requires_grad_()
    logp = losses.log_probabilities(logits).detach().requires_grad_()
    log_q = scores.log_q_BK.clone().requires_grad_()
    prior, mask, tokens = (
        scores.log_prior_BK,
        batch.mask_BT,
        losses.token_weights(scores.baseline_nll_BT, batch.mask_BT),
    )

    def both(of: torch.Tensor, term: Callable[[], torch.Tensor]) -> float:
        return seconds(lambda: torch.autograd.grad(term(), of))

    def marginal() -> torch.Tensor:
        return losses.blended_marginal(log_q, state.marginal_K, 0.0)

    def expected() -> torch.Tensor:
        return losses.expected_nll(scores.log_q_BK, losses.token_nll(logp, batch.target_BT[:, None]))

    return {
        "log-probabilities (shared)": both(logits, lambda: losses.log_probabilities(logits).sum()),
        "reconstruction": both(logp, lambda: losses.reconstruction(expected(), mask, False)),
        "token-weighted reconstruction": both(
            logp, lambda: losses.token_weighted_reconstruction(expected(), tokens, mask, False)
        ),
        "posterior KL": both(log_q, lambda: losses.posterior_kl(log_q, prior)),
        "posterior entropy": both(log_q, lambda: losses.posterior_entropy(log_q)),
        "router marginal KL": both(log_q, lambda: losses.marginal_kl(marginal(), prior)),
        "router support": both(log_q, lambda: losses.router_support(marginal(), 0.5)),
        "inter-latent JSD": both(logp, lambda: losses.weighted_mean(losses.inter_latent_jsd(logp), tokens, mask)),
        "all terms, forwards": seconds(
            lambda: combine(scores, mask, loss_weights(trainer, 0), state.marginal_K, trainer.reduction)
        ),
    }


def main() -> None:
    """Prints the table that cvae_notes.md records."""
    torch.set_num_threads(1)
    trainer, state = prepare(build(JSD), 0)
    step = seconds(lambda: advance(trainer, state, {}), 200)
    evaluation = seconds(lambda: evaluate_state(trainer, state, {}), 7)
    config = trainer.config.train
    reports = config.steps / config.report_every
    print(f"step                          {step * 1e3:8.2f} ms")
    print(f"evaluation                    {evaluation * 1e3:8.1f} ms")
    print(f"2000 steps, 10 evaluations    {2000 * step + 10 * evaluation:8.1f} s")
    print(f"default trial ({config.steps} steps)    {config.steps * step + reports * evaluation:8.1f} s")
    print(f"evaluation's share            {reports * evaluation / (config.steps * step + reports * evaluation):8.1%}")
    for name, spent in term_times(trainer, state).items():
        print(f"{name:30}{spent * 1e3:8.2f} ms  {spent / step:6.1%} of a step")
    for seed in range(3):
        steps, spent = to_accuracy({}, seed)
        print(f"to accuracy 0.985, seed {seed}     {steps:8d} steps {spent:6.1f} s")


if __name__ == "__main__":
    main()
