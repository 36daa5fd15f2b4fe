"""Padding, masks and lengths, on all tasks: what does not count changes nothing."""

import pytest
import torch

from sweeper.cvae.config import build
from sweeper.cvae.evaluation.evaluate import evaluate
from sweeper.cvae.evaluation.split import EvaluationSplit
from sweeper.cvae.networks.generation import free_run
from sweeper.cvae.networks.model import SharedDiscreteCVAE, Sizes, with_parameters
from sweeper.cvae.objective import LossForm, combine, score, step_loss
from sweeper.cvae.tasks import Batch, make_task
from sweeper.cvae.tasks.task import counted, without_padding
from sweeper.cvae.terms import TERM_OF_WEIGHT
from tests.cvae.networks.networks import baseline_nll_of, own_parameters_of, parameters_of, stack, weights_of

TASKS = ["operator_order", "detour", "ordered_sum", "sort_trace"]
ALL = weights_of(**dict.fromkeys(TERM_OF_WEIGHT, 0.5))
SETTINGS: dict[str, object] = {
    "model.latents": 3,
    "model.width": 16,
    "model.heads": 2,
    "model.hidden": 12,
    "model.router_width": 8,
    "model.baseline_width": 8,
    "model.depth": 2,
    "model.prior": "conditional",
}
CPU = torch.device("cpu")


@pytest.fixture(params=TASKS, scope="module")
def task(request):
    return make_task(build({"task.name": request.param}).task)


def network_for(sizes):
    model = SharedDiscreteCVAE(sizes, build(SETTINGS).model)
    model.reset(torch.Generator().manual_seed(1))
    with torch.no_grad():  # a conditional prior that is not uniform
        model.prior.head.normal_(generator=torch.Generator().manual_seed(2))
    return model


def batch_of(task, size=24):
    return task.sample(task.split(16).train_R, size, torch.Generator().manual_seed(0))


def with_longer(batch, sizes, extra):
    """The batch and the sizes with ``extra`` more places for prompt and trace, which hold anything: they do not count.

    Networks of fixed lengths are given a padding token and an end for it.
    """
    generator = torch.Generator().manual_seed(3)
    padding = sizes.prompt_vocabulary if sizes.prompt_padding is None else sizes.prompt_padding
    wider = sizes._replace(
        prompt_vocabulary=max(sizes.prompt_vocabulary, padding + 1),
        prompt_length=sizes.prompt_length + extra,
        trace_length=sizes.trace_length + extra,
        prompt_padding=padding,
    )
    size = len(batch.prompt_BP)
    anything = torch.randint(sizes.trace_vocabulary, (size, extra), generator=generator)
    return wider, Batch(
        torch.cat([torch.full((size, extra), padding), batch.prompt_BP], dim=1),
        torch.cat([batch.target_BT, anything], dim=1),
        torch.cat([batch.mask_BT, torch.zeros(size, extra)], dim=1),
    )


def widened(model, sizes, wider):
    """The same network with more positions, whose tables hold anything there, and a row for the padding."""
    found = dict(network_for(wider).named_parameters())
    extra = wider.prompt_length - sizes.prompt_length
    for name, value in parameters_of(model).items():
        table = torch.randn(found[name].shape, generator=torch.Generator().manual_seed(4))
        if name.endswith("embedding.position"):
            table[extra : extra + len(value)] = value
        else:
            table[: len(value)] = value
        found[name] = table
    return with_parameters(network_for(wider), found)


def terms_of(model, batch):
    nll_BT = baseline_nll_of(model, batch)
    return step_loss(model, own_parameters_of(model), ALL, batch, nll_BT, torch.full((3,), 1 / 3), LossForm())[1][0]


def test_a_padded_batch_has_the_losses_of_an_unpadded_one(task):
    sizes, batch = Sizes.of(task), batch_of(task)
    model = network_for(sizes)
    wider, padded = with_longer(batch, sizes, 3)
    plain, longer = terms_of(model, batch), terms_of(widened(model, sizes, wider), padded)
    for name, value in plain.items():
        assert torch.allclose(value, longer[name], rtol=2e-5, atol=2e-6), name


def test_what_stands_behind_the_mask_changes_no_bit_of_any_loss_or_gradient(task):
    sizes, batch = Sizes.of(task), batch_of(task)
    wider, first = with_longer(batch, sizes, 4)
    model = network_for(wider)
    other_BT = torch.randint(sizes.trace_vocabulary, first.target_BT.shape, generator=torch.Generator().manual_seed(8))
    second = first._replace(target_BT=torch.where(first.mask_BT > 0, first.target_BT, other_BT))
    assert (first.target_BT != second.target_BT).any()
    found = []
    for each in (first, second):
        parameters = {name: value.requires_grad_() for name, value in own_parameters_of(model).items()}
        nll_BT = baseline_nll_of(model, each)
        total, (terms, _) = step_loss(model, parameters, ALL, each, nll_BT, torch.full((3,), 1 / 3), LossForm())
        used = {name: value for name, value in parameters.items() if not name.endswith("embedding.trace")}
        found.append((terms, torch.autograd.grad(total, list(used.values()))))
    assert all(torch.equal(found[0][0][name], found[1][0][name]) for name in found[0][0])
    assert all(map(torch.equal, found[0][1], found[1][1]))


def test_members_of_other_lengths_in_a_batch_do_not_matter(task):
    batch = batch_of(task)
    model = network_for(Sizes.of(task))
    together = score(model(*batch), batch)
    alone = [Batch(*(part[i : i + 1] for part in batch)) for i in range(6)]
    for i, one in enumerate(alone):
        apart = score(model(*one), one)
        mask = one.mask_BT[0] > 0
        assert torch.allclose(apart.nll_BKT[0, :, mask], together.nll_BKT[i][:, mask], atol=1e-5)
        assert torch.allclose(apart.log_q_BK[0], together.log_q_BK[i], atol=1e-5)
        assert torch.allclose(apart.log_prior_BK[0], together.log_prior_BK[i], atol=1e-5)


def test_decoding_token_by_token_is_the_teacher_forced_pass_under_padding(task):
    sizes, batch = Sizes.of(task), batch_of(task, 8)
    wider, padded = with_longer(batch, sizes, 2)
    model = network_for(wider)
    latent_B = torch.arange(8) % 3
    written_BT = free_run(model.generator, padded.prompt_BP, latent_B, wider.trace_length)
    logits_BKTV = model.generator(padded.prompt_BP, written_BT[:, :-1])
    assert torch.equal(logits_BKTV[torch.arange(8), latent_B].argmax(-1), written_BT)


def test_metrics_do_not_look_behind_the_end():
    task = make_task(build({"task.name": "sort_trace"}).task)
    split = EvaluationSplit.of(task, task.split(12).reported_N, 3, CPU)
    model = network_for(Sizes.of(task))
    stacked = with_parameters(model, {name: value[None] for name, value in parameters_of(model).items()})
    before = evaluate(stacked, split, stack([ALL]), LossForm())[0].metrics
    split.batch.target_BT.copy_(torch.where(split.batch.mask_BT > 0, split.batch.target_BT, 5))
    assert evaluate(stacked, split, stack([ALL]), LossForm())[0].metrics == before


def test_masked_positions_have_no_weight_in_any_term():
    task = make_task(build({"task.name": "sort_trace"}).task)
    batch = batch_of(task)
    scores = score(network_for(Sizes.of(task))(*batch), batch)
    loud = scores._replace(
        jsd_BT=torch.where(batch.mask_BT > 0, scores.jsd_BT, 1e9),
        nll_BKT=torch.where(batch.mask_BT[:, None] > 0, scores.nll_BKT, 1e9),
        baseline_nll_BT=torch.where(batch.mask_BT > 0, scores.baseline_nll_BT, 1e9),
    )
    marginal_K = torch.full((3,), 1 / 3)
    quiet, noisy = (combine(each, batch.mask_BT, ALL, marginal_K, LossForm(per_token=True)) for each in (scores, loud))
    assert all(torch.equal(quiet[name], noisy[name]) for name in quiet)


def test_the_mask_ends_with_the_first_end():
    tokens = torch.tensor([[1, 9, 2, 9], [9, 1, 1, 1], [1, 2, 3, 4]])
    assert counted(tokens, 9).tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert without_padding(tokens, 9).tolist() == [[1, 9, 9, 9], [9, 9, 9, 9], [1, 2, 3, 4]]
    assert counted(tokens, None).all()
