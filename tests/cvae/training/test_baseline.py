"""The z-free baseline: trained once per seed, and what its members read of it."""

import pytest
import torch

from sweeper.cvae.config import build
from sweeper.cvae.networks.model import Baseline
from sweeper.cvae.objective import baseline_nll
from sweeper.cvae.training import baseline as baseline_module
from sweeper.cvae.training import batches
from sweeper.cvae.training.baseline import BaselineKey, Baselines
from sweeper.cvae.training.optimizers.adamw import BETA1, BETA2, EPSILON
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.schedules import learning_rate
from tests.cvae.training.packs import SMALL, Trial, Waiting


def settings_of(**changes):
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    return build(SMALL | {"train.device": "cpu", "train.steps": 150} | changes)


@pytest.fixture
def counted(monkeypatch):
    """The chunks that were trained: how many baselines together, and which chunk."""
    seen, train = [], Baselines._train

    def counting(self, *given):
        seen.append((len(given[0]), given[1]))
        return train(self, *given)

    monkeypatch.setattr(Baselines, "_train", counting)
    return seen


def test_a_baseline_trains_as_torchs_adamw_does_on_the_same_examples():
    config = settings_of(train__report_every=20, train__clip_norm=0.05)
    program, key = Program.of(config), BaselineKey.of(config, 3)
    mine = Baselines(program)
    network = Baseline(program.model.sizes, program.model.config)
    layout = program.baseline_layout
    initial = layout.unflatten(program.initial_W(3, layout))
    network.load_state_dict({name.removeprefix("baseline."): value.clone() for name, value in initial.items()})
    groups = [
        {
            "params": [weight for name, weight in network.named_parameters() if ("embedding" in name) is is_table],
            "weight_decay": decay,
        }
        for is_table, decay in ((False, config.train.weight_decay), (True, 0.0))
    ]
    optimiser = torch.optim.AdamW(groups, lr=1.0, betas=(BETA1, BETA2), eps=EPSILON)
    for step in range(20):
        examples = batches.examples(program, 3, step // 64)
        prompt_BP, target_BT = examples.prompt_CBP[step % 64].long(), examples.target_CBT[step % 64].long()
        nll_BT = baseline_nll(network(prompt_BP, target_BT[:, :-1]), target_BT)
        assert torch.allclose(nll_BT, mine.baseline_nll([(key, step // 64)])[0][step % 64], atol=1e-3)
        optimiser.zero_grad()
        nll_BT.mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.train.clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = 2 * learning_rate(config.train, step + 1)
        optimiser.step()
    reached = layout.unflatten(mine.parameters([(key, 20)])[0])
    for name, weight in network.named_parameters():
        # On the average: where a gradient is nearly zero, AdamW makes much of its last bits.
        assert (reached[f"baseline.{name}"] - weight).abs().mean() < 1e-4, name


def test_members_of_one_seed_share_one_baseline_whatever_their_weights(counted):
    weights = [{"loss.beta": beta, "seed": seed} for beta in (0, 0.5, 1) for seed in (70, 71)]
    train_pack(Waiting([Trial(each) for each in weights]))
    assert counted == [(2, 0)]
    train_pack(Waiting([Trial(seed=70, loss__inter_latent_divergence_weight=2.0)]))
    assert counted == [(2, 0)]


@pytest.mark.parametrize(
    "setting",
    [{"train.learning_rate": 1e-3}, {"train.steps": 7}, {"train.baseline_lr_scale": 1}, {"train.clip_norm": 2}],
)
def test_a_setting_that_reaches_the_baseline_makes_another_baseline(setting):
    usual, other = BaselineKey.of(settings_of(), 0), BaselineKey.of(settings_of(**setting), 0)
    assert usual != other
    assert usual != BaselineKey.of(settings_of(), 1)


def test_what_does_not_reach_the_baseline_makes_no_other_baseline():
    changes = {"loss.beta": 3, "train.router_lr_scale": 2, "train.stop_when": "nll <= 1", "train.baseline_warmup": 0.5}
    assert BaselineKey.of(settings_of(**changes), 0) == BaselineKey.of(settings_of(), 0)


def test_baselines_trained_together_have_the_bits_they_have_alone():
    config = settings_of()
    program, keys = Program.of(config), [BaselineKey.of(config, seed) for seed in range(3)]
    together = Baselines(program).baseline_nll([(key, 1) for key in keys])
    for key, baseline_nll_CBT in zip(keys, together, strict=True):
        assert torch.equal(Baselines(program).baseline_nll([(key, 1)])[0], baseline_nll_CBT)


def test_many_baselines_are_trained_some_at_a_time(monkeypatch, counted):
    monkeypatch.setitem(baseline_module.TOGETHER, "cpu", 2)
    config = settings_of()
    mine = Baselines(Program.of(config))
    assert len(mine.baseline_nll([(BaselineKey.of(config, seed), 0) for seed in range(5)])) == 5
    assert counted == [(2, 0), (2, 0), (1, 0)]


def test_who_comes_later_gets_the_same_without_training(counted):
    config = settings_of()
    mine, key = Baselines(Program.of(config)), BaselineKey.of(config, 0)
    first = [mine.baseline_nll([(key, number)])[0] for number in range(3)]
    counted.clear()
    assert all(torch.equal(mine.baseline_nll([(key, number)])[0], first[number]) for number in range(3))
    assert not counted


def test_what_was_forgotten_is_trained_again_with_the_same_bits(monkeypatch, counted):
    config = settings_of()
    mine, ahead = Baselines(Program.of(config)), BaselineKey.of(config, 0)
    first = [mine.baseline_nll([(ahead, number)])[0] for number in range(3)]
    monkeypatch.setattr(baseline_module, "KEPT_BYTES", 0)
    mine.baseline_nll([(BaselineKey.of(config, 1), 0)])
    assert not mine.results
    counted.clear()
    again = [mine.baseline_nll([(ahead, number)])[0] for number in (2, 0, 1)]
    assert all(torch.equal(one, other) for one, other in zip(again, (first[2], first[0], first[1]), strict=True))
    assert counted == [(1, 0), (1, 1), (1, 2), (1, 0), (1, 1)]


def test_no_step_is_taken_beyond_the_training():
    config = settings_of(train__steps=10, train__report_every=4)
    mine, key = Baselines(Program.of(config)), BaselineKey.of(config, 0)
    (baseline_nll_CBT,) = mine.baseline_nll([(key, 0)])
    assert baseline_nll_CBT[:10].min() > 0
    assert not baseline_nll_CBT[10:].any()
    assert mine.parameters([(key, step) for step in (4, 8, 10)]).shape[0] == 3
