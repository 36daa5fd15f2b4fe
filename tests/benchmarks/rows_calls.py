"""Single calls that a sweep makes often, in CPU seconds: other work on the machine changes those little."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from readings import OURS, AtMost, Found, Row

from sweeper.search.pruner import Pruner
from sweeper.search.searcher import Search
from sweeper.spec.load import load_spec
from sweeper.spec.space.expressions import condition
from sweeper.spec.sweep import Sweep
from sweeper.trial import Ended, Reported, State, Trial, Value

FILE = """\
name: calls
trainer: work:noop
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}, y: {min: 0.0, max: 1.0}}
budget: {trials: 2000}
method: random
"""
GRID = """\
name: grid
trainer: work:noop
metric: {name: loss, goal: minimize}
parameters: {a: {min: 1, max: 1000, points: 1000}, b: {min: 1, max: 100, points: 100}}
where: ["a + b <= 1098"]
"""
RULES = ("type: asha, min_steps: 2", "type: hyperband, min_steps: 1, max_steps: 50", "type: median, startup_trials: 1")
SAMPLERS = ("tpe", "cmaes", "nsga2", "gp")


def calls(quick: bool) -> Iterator[Found]:
    """Conditions, points of a grid, a sweep file, a report under early termination, a proposal."""
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-") as name:
        folder = Path(name)
        for _ in range(1 if quick else 3):
            yield Found("100 000 evaluations of a condition", OURS, cpu_seconds(evaluations()))
            yield Found("100 000 points of a grid with a condition", OURS, cpu_seconds(points(folder)))
            yield Found("loading a sweep file", OURS, cpu_seconds(loading(folder)) / 20 * 1e3, "ms")
            for rule in RULES:
                measure = f"a report among 1 000 trials, {rule.split(',')[0].removeprefix('type: ')}"
                yield Found(measure, OURS, cpu_seconds(reports(folder, rule)) / 50_000 * 1e3, "ms")
            for method in SAMPLERS:
                measure = f"a proposal after 1 000 results, {method}"
                yield Found(measure, OURS, cpu_seconds(proposals(folder, method)) / 6 * 1e3, "ms")


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def loaded(folder: Path, text: str) -> Sweep:
    (folder / "file.yaml").write_text(text)
    return load_spec(folder / "file.yaml")


def evaluations() -> Callable[[], object]:
    clause = condition("loss.beta + n <= 4 and (kind == 'linear' or n > 2)")
    values: dict[str, Value] = {"loss.beta": 0.5, "n": 3, "kind": "linear"}
    return lambda: [clause.holds(values) for _ in range(100_000)]


def points(folder: Path) -> Callable[[], object]:
    space = loaded(folder, GRID).space
    return lambda: sum(1 for _ in space.grid())


def loading(folder: Path) -> Callable[[], object]:
    loaded(folder, FILE)
    return lambda: [load_spec(folder / "file.yaml") for _ in range(20)]


def reports(folder: Path, rule: str) -> Callable[[], object]:
    """50 reports of each of 1 000 trials, one trial after the other."""
    pruner = Pruner.of(loaded(folder, f"{FILE}early_terminate: {{{rule}}}\n"), [])
    assert pruner is not None
    draw = random.Random(0)

    def work() -> None:
        for number in range(1000):
            trial = Trial(str(number), str(number), 0, {"x": number}, {}, "work:noop", "c0de")
            pruner.started(trial)
            for step in range(1, 51):
                pruner.reported(Reported(trial.key, 1, 0.0, step, {"loss": draw.random()}))
            pruner.ended(_end(trial.key, 0.5))

    return work


def proposals(folder: Path, method: str) -> Callable[[], object]:
    """Six proposals; the two before them load what the sampler needs."""
    sweep = loaded(folder, FILE.replace("random", method))
    search = Search(sweep, sweep.base)
    for point in sweep.space.random(1000, 1):
        x = point["x"]
        assert isinstance(x, int | float)
        search.tell(point, [_end("t", x**2)])
    for _ in range(2):
        search.ask()
    return lambda: [search.ask() for _ in range(6)]


def _end(key: str, loss: float) -> Ended:
    return Ended(key, 1, 2.0, State.COMPLETED, "", {"loss": loss}, 50, 1.0, 1.0, "cpu", "here")


ROWS = [
    Row(
        "calls",
        "Calls, CPU time",
        calls,
        {
            "condition": (AtMost(2.5, "2.5 s"),),
            "loading": (AtMost(25, "25 ms"),),
            "report among": (AtMost(0.2, "0.2 ms"),),
            "proposal": (AtMost(600, "600 ms"),),
        },
    )
]
