"""The size of a pack that is not given: measured once for a device and a shape."""

import json

import pytest
import torch

from sweeper.cvae.config import build, shape
from sweeper.cvae.training import cache, pack_size
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.pack_size import best_pack_size, measure_pack_size
from sweeper.cvae.training.program import Program
from tests.cvae.training.packs import SMALL, Trial, Waiting

ROUNDS = 1 + pack_size.AGAIN["cpu"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def step_times(monkeypatch):
    """Seconds of a step by the number of members, in place of a clock; and which were asked for."""
    times: dict[int, float] = {}
    asked: list[int] = []

    def seconds(program, members):
        asked.append(len(members))
        return times[len(members)]

    monkeypatch.setattr(pack_size, "_seconds", seconds)
    return times, asked


def size_of(**changes):
    params = SMALL | changes
    return best_pack_size(Program.of(build(params)), build(params), shape(params))


@pytest.mark.parametrize(
    ("found", "best"),
    [
        pytest.param({1: 1.0, 2: 1.9, 4: 2.8, 8: 4.8, 16: 9.9}, 8, id="it grows while a member's step gets cheaper"),
        pytest.param({1: 1.0, 2: 1.2, 4: 1.6, 8: 3.1, 16: 6.6}, 4, id="of sizes as good the smallest"),
        pytest.param({1: 1.0, 2: 2.4, 4: 3.2, 8: 6.0, 16: 12.8}, 8, id="one disturbed reading does not end it"),
        pytest.param({1: 1.0, 2: 2.4, 4: 5.2}, 1, id="two rises in a row do"),
    ],
)
def test_the_size_with_the_cheapest_step_is_taken(step_times, found, best):
    times, asked = step_times
    times |= found
    assert size_of() == best
    assert asked == [*found] * ROUNDS


def test_what_does_not_fit_into_memory_is_not_taken(monkeypatch):
    def seconds(program, members):
        if len(members) > 4:
            raise torch.cuda.OutOfMemoryError
        return 1.0  # as long for many as for one

    monkeypatch.setattr(pack_size, "_seconds", seconds)
    config = build(SMALL)
    assert measure_pack_size(Program.of(config), config) == 4


def test_a_size_is_measured_once_for_a_shape(step_times):
    times, asked = step_times
    times |= {1: 1.0, 2: 2.1, 4: 4.4}
    assert [size_of(), size_of(), size_of(**{"loss.beta": 0.1})] == [1, 1, 1]
    assert asked == [1, 2, 4] * ROUNDS
    size_of(**{"model.width": 32})
    assert asked == [1, 2, 4, 1, 2, 4] * ROUNDS


@pytest.mark.parametrize("content", ["", "[1]", '{"a": ', '{"a": "b"}'])
def test_a_damaged_cache_is_measured_again(step_times, home, content):
    times, asked = step_times
    times |= {1: 1.0, 2: 2.1, 4: 4.4}
    size_of()
    (file,) = home.rglob("measured.json")
    file.write_text(content)
    assert size_of() == 1
    assert asked == [1, 2, 4, 1, 2, 4] * ROUNDS
    assert list(json.loads(file.read_text()).values())[-1] == 1


def test_a_cache_that_cannot_be_written_is_done_without(step_times, home):
    times, _ = step_times
    times |= {1: 1.0, 2: 2.1, 4: 4.4}
    home.write_text("a file, not a folder")
    assert size_of() == 1
    assert cache.remembered("anything") is None


def test_a_real_probe_finds_some_size_and_leaves_training_alone():
    config = build(SMALL)
    assert measure_pack_size(Program.of(config), config) in (1, 2, 4, 8, 16)


def test_a_pack_of_measured_size_takes_no_more_than_there_are(monkeypatch):
    monkeypatch.setattr(pack_size, "measure_pack_size", lambda program, config, fitting: 3)
    trials = [Trial(seed=seed) for seed in range(5)]
    slots = Waiting(trials)
    slots.size = None
    train_pack(slots)
    assert slots.sizes[:2] == [1, 2]
    assert all(trial.final for trial in trials)
