"""A small source of trials for packs: it keeps their checkpoints, reports and ends."""

import json
import math
from typing import Any

import torch

from sweeper.cvae.training.baseline import baselines
from sweeper.cvae.training.pack import TrainingPack, train_pack

SMALL: dict[str, object] = {"model.width": 16, "model.hidden": 16, "train.batch_size": 16, "train.test_prompts": 12}
SMALL |= {"train.steps": 6, "loss.inter_latent_divergence_weight": 1.0, "loss.router_marginal_kl_to_prior_weight": 1.0}


class Kept:
    """A checkpoint in memory, saved after the steps ``at``; ``stop``: the first save ends the attempt."""

    def __init__(self, at=(), stop=False):
        self.at, self.stop, self.asked = set(at), stop, 0
        self.saved: Any = None  # the tensors and the data

    def load(self):
        return self.saved

    def is_due(self):
        self.asked += 1
        return self.asked in self.at

    def save(self, step, tensors, data):
        copied = {name: tensor.clone() for name, tensor in tensors.items()}
        assert all(tensor.device.type == "cpu" for tensor in copied.values())
        self.saved = (copied, json.loads(json.dumps(data)))
        return not self.stop


class Trial:
    """One member: it remembers its reports and how it ended; ``prune_at``: dropped at its report of that step."""

    def __init__(self, params=(), checkpoint=None, directory=None, prune_at=math.inf, **changes):
        self.params = SMALL | {"seed": 0} | dict(params) | {key.replace("__", "."): v for key, v in changes.items()}
        self.checkpoint, self.directory, self.prune_at = checkpoint, directory, prune_at
        self.reports, self.error = {}, None
        self.final: Any = None  # the metrics of a training that was completed

    def progress(self, step):
        assert not self.ended

    def report(self, step, metrics):
        assert not self.ended
        self.reports[step] = dict(metrics)
        return step < self.prune_at

    def finish(self, metrics):
        assert not self.ended
        self.final = dict(metrics)

    def fail(self, error):
        assert not self.ended
        self.error = error

    @property
    def ended(self):
        return self.final is not None or self.error is not None


class Waiting:
    """A source that gives trials in order; ``later`` maps a number of calls to the trials that come with it."""

    def __init__(self, trials, size=None, later=()):
        self.trials, self.size, self.later = list(trials), size or len(trials), dict(later)
        self.calls, self.back, self.sizes = 0, [], []

    def join(self, count):
        self.calls += 1
        self.trials += self.later.pop(self.calls, [])
        taken, self.trials = self.trials[:count], self.trials[count:]
        self.sizes.append(len(taken))
        return taken

    def give_back(self, members):
        self.back += members


def interrupted(changes):
    """The final metrics of a training, and of the same one stopped after three looks and continued elsewhere."""
    whole, kept = Trial(changes), Kept(at=[3], stop=True)
    train_pack(Waiting([whole]))
    train_pack(Waiting([Trial(changes, kept)]))
    baselines.cache_clear()  # as in another process
    second = Trial(changes, kept)
    train_pack(Waiting([second]))
    return whole.final, second.final


def started(trials):
    """A pack of these trials before its first step."""
    pack = TrainingPack(Waiting(trials))
    pack.pull()
    return pack


def train_once(pack):
    """One round of its loop."""
    pack.step()
    pack.fail_diverged()
    pack.report()
    pack.compact()


def same(first, second):
    """Bit for bit, with NaN equal to itself."""
    return first.keys() == second.keys() and all(repr(first[name]) == repr(second[name]) for name in first)


def close(first, second, tolerance=1e-3):
    """Up to rounding."""
    pairs = [(first[name], second[name]) for name in first]
    return first.keys() == second.keys() and all(
        math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in pairs
    )


def equal_tensors(first, second):
    """Bit for bit, by name."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
