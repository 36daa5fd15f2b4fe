"""Whole trainings, of a few steps: determinism, reports, and how they end."""

import csv
import math
import pickle

import pytest
import torch

from sweeper.cvae.config import METRICS
from sweeper.cvae.training.train import Diverged, train
from tests.cvae.training.packs import SMALL, same


def run(directory=None, **changes):
    reports: dict[int, dict[str, float]] = {}
    params = SMALL | {"seed": 0} | {key.replace("__", "."): value for key, value in changes.items()}
    final = train(params, lambda step, metrics: reports.__setitem__(step, dict(metrics)), directory=directory)
    return final, reports


def test_the_same_settings_and_seed_give_the_same_bits():
    torch.manual_seed(1)
    first, _ = run()
    torch.manual_seed(2)
    second, _ = run()
    assert same(first, second)
    assert not same(first, run(seed=1)[0])


def test_reporting_more_often_changes_nothing():
    often, reports = run(train__report_every=1)
    seldom, _ = run(train__report_every=100)
    assert same(often, seldom)
    assert list(reports) == [1, 2, 3, 4, 5, 6]


def test_training_neither_reads_nor_moves_the_global_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run()
    assert torch.equal(torch.get_rng_state(), before)


def test_two_threads_give_the_same_numbers_as_one_up_to_rounding():
    """Not the same bits: MKL splits some products between threads, and torch has no say in it."""
    found = []
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(run()[0])
    torch.set_num_threads(threads)
    assert found[0] == pytest.approx(found[1], rel=1e-3, abs=1e-4)


def test_the_last_report_is_the_result_and_all_metrics_are_described_floats():
    final, reports = run(train__report_every=4)
    assert list(reports) == [4, 6]
    assert same(final, reports[6])
    assert all(type(value) is float for value in final.values())
    stems = {name.removesuffix("/T") for name in METRICS}
    assert all(name in METRICS or name.rpartition("/")[0] in stems for name in final)
    elsewhere = ("/T", "standard_error/task_accuracy", "standard_error/nll", "standard_error/alignment")
    missing = METRICS.keys() - final.keys()
    assert missing == {name for name in METRICS if name.endswith(elsewhere) or name.startswith("test/")}


def test_what_a_report_raises_ends_the_training():
    class Enough(Exception):
        pass

    def stop(step, metrics):
        raise Enough

    with pytest.raises(Enough):
        train(SMALL | {"seed": 0, "train.report_every": 1}, stop)


def test_a_training_ends_early_when_asked_to():
    _, reports = run(train__report_every=1, train__stop_when="posterior_entropy >= 0.1")
    assert list(reports) == [1]
    _, reports = run(train__report_every=1, train__stop_when="posterior_entropy <= -1")
    assert len(reports) == 6


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_not_finite_names_its_term_and_step_and_keeps_the_last_metrics():
    reports = []
    params = SMALL | {"seed": 0, "train.report_every": 1, "train.learning_rate": 1.0, "train.clip_norm": 1e6}
    params |= {"train.steps": 400, "train.weight_decay": 0.0, "train.warmup": 0.0, "loss.beta": 1e38}
    with pytest.raises(Diverged) as caught:
        train(params, lambda step, metrics: reports.append((step, metrics)))
    assert caught.value.step == reports[-1][0] + 1 if reports else caught.value.step == 1
    assert caught.value.term in str(caught.value)
    assert all(math.isfinite(value) for value in caught.value.last_finite_metrics.values())


def test_a_divergence_survives_the_way_between_processes():
    copied = pickle.loads(pickle.dumps(Diverged(7, "reconstruction", {"nll": 1.0})))
    assert (copied.step, copied.term, copied.last_finite_metrics) == (7, "reconstruction", {"nll": 1.0})
    assert str(copied) == "reconstruction is not finite at step 7"


def test_the_tables_are_left_in_the_directory(tmp_path):
    run(directory=tmp_path / "tables")
    with (tmp_path / "tables" / "forced.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0][0] == "z"
    assert rows[0][-1] == "(none)"
    assert len(rows) == 7
    assert sum(map(float, rows[1][1:])) == pytest.approx(1.0, abs=0.001)
    with (tmp_path / "tables" / "confusion.csv").open() as file:
        columns = list(zip(*list(csv.reader(file))[1:], strict=True))[1:]
    assert all(sum(map(float, column)) == pytest.approx(1.0, abs=0.001) for column in columns)


@pytest.mark.parametrize(
    "changes",
    [
        {"task.name": "detour", "task.reveal": "implicit", "model.latents": 4},
        {"task.name": "ordered_sum", "task.length": 4, "task.nuisance_tokens": 1, "model.prior": "conditional"},
        {"task.operators": 2, "model.router": "bayes", "model.prior": "learned", "loss.marginal_ema": 0.9},
        {"loss.reduction": "mean", "train.router_lr_scale": 0.1, "loss.token_weighted_reconstruction_weight": 0.5},
        {"model.latents": 1, "loss.schedules.beta.kind": "cosine", "model.router": "hard_bayes"},
        {"model.depth": 2, "task.skew": 1.0, "task.skew_by": "prompt", "task.strategies": 4},
    ],
)
def test_every_variant_trains(changes):
    final = train(SMALL | changes | {"seed": 1}, lambda step, metrics: None)
    assert all(math.isfinite(value) for value in final.values())


@pytest.mark.parametrize("changes", [{"loss.beta": -1}, {"seed": 0.5}, {"seed": True}, {"nothing": 1}])
def test_bad_settings_are_refused_before_anything_is_done(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        train(SMALL | changes, lambda step, metrics: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_a_bad_setting():
    with pytest.raises(ValueError, match="no GPU"):
        train(SMALL | {"train.device": "cuda"}, lambda step, metrics: None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_to_the_same_numbers_up_to_rounding():
    on_gpu, on_cpu = run(train__device="cuda")[0], run(train__device="cpu")[0]
    assert on_gpu["nll"] == pytest.approx(on_cpu["nll"], rel=1e-3)
