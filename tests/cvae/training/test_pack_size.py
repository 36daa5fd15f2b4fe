"""The size of a pack that is not given: on a CPU by sizes, on a GPU measured once for a device and a shape."""

import json

import pytest
import torch

from sweeper.cvae.config import build, shape
from sweeper.cvae.training import cache, pack_size
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.pack_size import best_pack_size, cpu_pack_size, measure_pack_size, remembered_pack_size
from sweeper.cvae.training.program import Program
from tests.cvae.training.packs import SMALL, Trial, Waiting


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


def size_of(fitting=pack_size.MOST["cuda"], **changes):
    params = SMALL | changes
    return remembered_pack_size(Program.of(build(params)), build(params), shape(params), fitting)


@pytest.mark.parametrize(
    ("params", "size"),
    [
        pytest.param({}, 4, id="the defaults"),
        pytest.param({"model.width": 256}, 4, id="wide"),
        pytest.param({"model.latents": 24, "train.batch_size": 256}, 2, id="four would have tensors above 32 MiB"),
        pytest.param({"task.name": "sort_trace"}, 1, id="two would"),
        pytest.param({"task.name": "sort_trace", "train.batch_size": 512}, 1, id="one has"),
    ],
)
def test_on_a_cpu_sizes_decide(params, size):
    assert cpu_pack_size(build(params)) == size


def test_on_a_cpu_nothing_is_measured_and_memory_limits_the_size(step_times):
    _, asked = step_times
    small = build(SMALL)
    assert best_pack_size(Program.of(small), small, shape(SMALL), 64) == 4
    assert best_pack_size(Program.of(small), small, shape(SMALL), 3) == 3
    assert asked == []


@pytest.mark.parametrize(
    ("found", "best"),
    [
        pytest.param(
            {1: 1.0, 4: 1.3, 16: 2.2, 64: 5.5, 256: 24.0}, 64, id="it grows while a member's step gets cheaper"
        ),
        pytest.param({1: 1.0, 4: 1.6, 16: 6.4, 64: 28.0}, 4, id="of sizes as good the smallest"),
        pytest.param({1: 1.0, 4: 4.4}, 1, id="none is better than one"),
    ],
)
def test_the_size_with_the_cheapest_step_is_taken(step_times, found, best):
    times, asked = step_times
    times |= found
    assert size_of() == best
    assert asked == [*found]


def test_what_does_not_fit_into_memory_is_not_taken(monkeypatch):
    def seconds(program, members):
        if len(members) > 4:
            raise torch.cuda.OutOfMemoryError
        return 1.0  # as long for many as for one

    monkeypatch.setattr(pack_size, "_seconds", seconds)
    config = build(SMALL)
    assert measure_pack_size(Program.of(config), config, 1024) == 4


def test_a_size_is_measured_once_for_a_shape(step_times):
    times, asked = step_times
    times |= {1: 1.0, 4: 4.4}
    assert [size_of(), size_of(), size_of(**{"loss.beta": 0.1})] == [1, 1, 1]
    assert asked == [1, 4]
    size_of(**{"model.width": 32})
    assert asked == [1, 4, 1, 4]


def test_what_memory_limited_is_not_kept(step_times):
    times, asked = step_times
    times |= {1: 1.0, 4: 2.0, 16: 4.0, 64: 20.0}
    assert size_of(fitting=5) == 4
    assert size_of() == 16
    assert size_of(fitting=5) == 5
    assert asked == [1, 4, 1, 4, 16, 64]


@pytest.mark.parametrize("content", ["", "[1]", '{"a": ', '{"a": "b"}'])
def test_a_damaged_cache_is_measured_again(step_times, home, content):
    times, asked = step_times
    times |= {1: 1.0, 4: 4.4}
    size_of()
    (file,) = home.rglob("measured.json")
    file.write_text(content)
    assert size_of() == 1
    assert asked == [1, 4, 1, 4]
    assert list(json.loads(file.read_text()).values())[-1] == 1


def test_a_cache_that_cannot_be_written_is_done_without(step_times, home):
    times, _ = step_times
    times |= {1: 1.0, 4: 4.4}
    home.write_text("a file, not a folder")
    assert size_of() == 1
    assert cache.remembered("anything") is None


def test_a_real_measurement_finds_some_size_and_leaves_training_alone():
    config = build(SMALL)
    assert measure_pack_size(Program.of(config), config, 16) in (1, 4, 16)


def test_a_pack_of_no_given_size_takes_no_more_than_there_are_and_four_at_most():
    trials = [Trial(seed=seed) for seed in range(5)]
    slots = Waiting(trials)
    slots.size = None
    train_pack(slots)
    assert slots.sizes[:2] == [1, 3]
    assert all(trial.final for trial in trials)
