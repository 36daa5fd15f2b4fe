"""What a person is shown of a trained model."""

import torch

from sweeper.cvae.config import build
from sweeper.cvae.evaluation.samples import generate
from sweeper.cvae.tasks import make_task
from tests.cvae.evaluation.test_evaluate import Oracle


def oracle(order):
    task = make_task(build({}).task)
    model = Oracle(task, order)
    model.latent = torch.zeros(1, len(order))
    return model, task


def test_each_latent_is_shown_with_its_trace_and_strategy():
    model, task = oracle([2, -2])
    good, bad = generate(model, task, [9])
    assert (good.prompt, good.latent, good.strategy) == ("0 1 1", 0, task.strategies[2])
    assert good.trace == task.text(task.traces_NST[9, 2])
    assert good.steps_valid
    assert good.answer_right
    assert bad.strategy is None
    assert not bad.steps_valid


def test_some_latents_can_be_asked_for():
    model, task = oracle([2, 1, 0])
    assert [shown.latent for shown in generate(model, task, [0, 1], latents=[2])] == [2, 2]


def test_outputs_drawn_with_a_generator_are_the_same_again():
    model, task = oracle([-1, -1])
    drawn = [generate(model, task, range(20), generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(shown.steps_valid and shown.answer_right for shown in drawn[0])
    assert len({shown.strategy for shown in drawn[0]}) == 6
