"""Sweeps for tests of the search, and functions whose best points are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.search.searcher import Search
from sweeper.spec.sweep import Sweep
from sweeper.trial import Ended, Params, State
from tests.spec.sweep_texts import loaded

Function = Callable[[Params], dict[str, float]]

MINIMIZE = "metric: {name: loss, goal: minimize}\n"
RANGES = MINIMIZE + "parameters:\n  x: {min: -5, max: 10.0}\n  y: {min: 0, max: 15.0}\n"
BRANIN = RANGES + "  rate: {min: 1e-4, max: 1, log: true}\n  kind: {values: [a, b, c]}\n"


def searched(folder: Path, method: str, text: str, seed: int = 0) -> Sweep:
    """A sweep of the text with this method."""
    return loaded(folder, f"name: s\nmethod: {method}\nsampler: {{seed: {seed}}}\nbudget: {{trials: 1000}}\n{text}")


def search(folder: Path, method: str, text: str, **fixed: Any) -> Search:
    """A new search of the text."""
    sweep = searched(folder, method, text)
    return Search(sweep, {**fixed, **sweep.base})


def ended_with(metrics: Mapping[str, float], state: State = State.COMPLETED, steps: int = 10) -> Ended:
    """The end of one seed."""
    return Ended("t", 1, 2.0, state, "", metrics, steps, 1.0, 1.0, "cpu", "here")


def ended(state: State = State.COMPLETED, steps: int = 10, **metrics: float) -> Ended:
    """The same, its metrics by name."""
    return ended_with(metrics, state, steps)


def number(point: Params, name: str) -> float:
    """The value of a parameter that is a number."""
    value = point[name]
    assert isinstance(value, int | float)
    return value


def branin(point: Params) -> dict[str, float]:
    """Branin's function, at its best (0.398) where also rate is 0.01 and kind is b."""
    x, y, rate = (number(point, name) for name in ("x", "y", "rate"))
    a = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    loss = a**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
    return {"loss": loss + 5 * (math.log10(rate) + 2) ** 2 + {"a": 5.0, "b": 0.0, "c": 10.0}[str(point["kind"])]}


def optimized(search: Search, function: Function, trials: int) -> list[tuple[Params, dict[str, float]]]:
    """Asks and tells, one point after the other, until there is none or there were so many."""
    done: list[tuple[Params, dict[str, float]]] = []
    while len(done) < trials and (point := search.ask()) is not None:
        done.append((point, function(point)))
        search.tell(point, [ended_with(done[-1][1])])
    return done
