"""What a step of the bundled trainer costs on one core, and where the time goes.

Times are those of this process, which a busy machine changes less: ``OMP_NUM_THREADS=1 python
tests/benchmarks/cvae_step.py``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from sweeper.cvae import losses
from sweeper.cvae.config import build
from sweeper.cvae.objective import LossForm, LossWeights, combine, score
from sweeper.cvae.training import batches, member_state
from sweeper.cvae.training.baseline import baselines
from sweeper.cvae.training.member_evaluation import evaluate_rows
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.protocols import RunningMember
from sweeper.cvae.training.schedules import HYPERPARAMETERS
from sweeper.cvae.training.step import advance

JSD = {"loss.inter_latent_divergence_weight": 1.0}
MUON = {"train.optimizer": "muon", "train.learning_rate": 0.015, "train.steps": 600}


def seconds(work: Callable[[], object], repeats: int = 60) -> float:
    """The median time of one call, the first few aside."""
    for _ in range(5):
        work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def step_time(params: Mapping[str, object], seeds: int = 5) -> float:
    """Seconds a step of one member, its baseline included: the median over seeds of a chunk's mean."""

    def of(seed: int) -> float:
        program, one, running = alone(params, seed)
        own = seconds(lambda: advance(program, one), batches.length(program))
        baselines.cache_clear()
        start = time.process_time()
        member_state.load_chunk(program, one, {0: running.position})
        return own + (time.process_time() - start) / batches.length(program)

    return statistics.median(of(seed) for seed in range(seeds))


def alone(params: Mapping[str, object], seed: int) -> tuple[Program, member_state.BatchedState, RunningMember]:
    """A pack of one before its first step."""
    config = build({**params, "train.device": "cpu"})
    program = Program.of(config)
    one = member_state.member(program, config, seed)
    member_state.load_chunk(program, one, {0: (config, seed, 0)})
    return program, one, RunningMember(None, config, seed)  # type: ignore[arg-type]


def to_accuracy(params: Mapping[str, object], seed: int) -> tuple[int, float]:
    """Steps and seconds of training until task_accuracy >= 0.985, looked at every 50 steps."""
    baselines.cache_clear()  # what another training found out about this seed
    start = time.process_time()
    program, one, running = alone({**params, "train.report_every": 50}, seed)
    spent = time.process_time() - start
    while running.step < running.config.train.steps:
        start = time.process_time()
        advance(program, one)
        running.step += 1
        if running.step % batches.length(program) == 0:
            member_state.load_chunk(program, one, {0: running.position})
        spent += time.process_time() - start
        if running.step % 50 == 0:
            (evaluation,) = evaluate_rows(program, one, [0], [running])
            if evaluation.metrics["task_accuracy"] >= 0.985:
                break
    return running.step, spent


def term_times(program: Program) -> dict[str, float]:
    """Seconds of each term alone, forwards and backwards, from log-probabilities that are given."""
    batch = program.task.sample(program.train_rows_R, program.batch_size, torch.Generator().manual_seed(0))
    program.model.reset(torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = program.model(*batch)
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

    marginal_K = torch.full((log_q.shape[-1],), 1 / log_q.shape[-1])
    weights = LossWeights.of(dict.fromkeys(HYPERPARAMETERS, torch.tensor(1.0)))

    def both(of: torch.Tensor, term: Callable[[], torch.Tensor]) -> float:
        return seconds(lambda: torch.autograd.grad(term(), of))

    def marginal() -> torch.Tensor:
        return losses.blended_marginal(log_q, marginal_K, 0.0)

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
        "all terms, forwards": seconds(lambda: combine(scores, mask, weights, marginal_K, LossForm())),
    }


def main() -> None:
    """Prints the table that cvae_notes.md records."""
    torch.set_num_threads(1)
    program, one, running = alone(JSD, 0)
    step = step_time(JSD)
    running.step = running.config.train.report_every
    evaluation = seconds(lambda: evaluate_rows(program, one, [0], [running]), 7)
    config = running.config.train
    reports = config.steps / config.report_every
    print(f"step                          {step * 1e3:8.2f} ms")
    print(f"evaluation                    {evaluation * 1e3:8.1f} ms")
    print(f"2000 steps, 10 evaluations    {2000 * step + 10 * evaluation:8.1f} s")
    print(f"default trial ({config.steps} steps)    {config.steps * step + reports * evaluation:8.1f} s")
    print(f"evaluation's share            {reports * evaluation / (config.steps * step + reports * evaluation):8.1%}")
    for name, spent in term_times(program).items():
        print(f"{name:30}{spent * 1e3:8.2f} ms  {spent / step:6.1%} of a step")
    found = [to_accuracy({}, seed) for seed in range(5)]
    for seed, (steps, spent) in enumerate(found):
        print(f"to accuracy 0.985, seed {seed}     {steps:8d} steps {spent:6.1f} s")
    print(f"median                        {statistics.median(spent for _, spent in found):19.1f} s")


if __name__ == "__main__":
    main()
