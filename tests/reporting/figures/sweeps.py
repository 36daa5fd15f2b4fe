"""Sweeps of imaginary trials, for tests of plots: written as a run writes them, read as a person's are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.analysis.sweep_results import SweepResults
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.figures import FigureContext
from sweeper.trial import Reported, State
from tests.records import make_end, make_trial

TEXT = """\
name: toy
metric: [{name: score, goal: maximize}, {name: cost, goal: minimize}]
parameters:
  beta: {values: [0, 0.5, 1]}
  rate: {min: 0.001, max: 10, log: true, points: 2}
  kind: {values: [a, b]}
"""

Scores = Callable[[dict[str, Any], int], dict[str, float]]


def write(
    folder: Path,
    points: Sequence[dict[str, Any]],
    scores: Scores,
    seeds: int = 3,
    lost: Sequence[tuple[int, int, State]] = (),
    text: str = TEXT,
) -> SweepDir:
    """A finished sweep; `lost` names (point, seed, state) of trials without a result."""
    sweep = SweepDir(folder, "toy")
    states = {(point, seed): state for point, seed, state in lost}
    trials = [(i, seed, make_trial(seed, **point)) for i, point in enumerate(points) for seed in range(seeds)]
    with Ledger(sweep) as book:
        book.run(text, {}, [trial for _, _, trial in trials], read_history(sweep))
        for point, seed, trial in trials:
            state = states.get((point, seed), State.COMPLETED)
            final = scores(dict(trial.varied), seed)
            for step in (1, 2, 3):
                book.record(Reported(trial.key, 1, 1000.0 + step, step, {n: v * step / 3 for n, v in final.items()}))
            end = make_end(trial, state, **(final if state is State.COMPLETED else {}))
            book.record(replace(end, reason="" if state is State.COMPLETED else "<b>boom</b>"))
    return sweep


def grid(folder: Path, **more: Any) -> FigureContext:
    """Six configurations, beta by kind, three seeds each; score rises with beta."""
    points = [{"beta": beta, "rate": 1, "kind": kind} for beta in (0, 0.5, 1) for kind in ("a", "b")]
    return FigureContext(SweepResults(write(folder, points, score_and_cost, **more)))


def facets(folder: Path) -> FigureContext:
    """Six of twelve panels in a heatmap, of settings with long names, and levels of many digits."""
    text = TEXT.replace("rate: {min: 0.001, max: 10, log: true, points: 2}", "rate: {values: [0, 0.693147, 2.079442]}")
    text += (
        "  loss.token_weighting: {values: [baseline, uniform, lookahead]}\n  schedule: {values: [constant, delayed]}\n"
    )
    points = [
        {"beta": beta, "rate": rate, "kind": kind, "loss.token_weighting": weighting, "schedule": "constant"}
        for beta in (0, 0.5, 1)
        for rate in (0, 0.693147, 2.079442)
        for kind in ("a", "b")
        for weighting in ("baseline", "uniform", "lookahead")
        if weighting != "uniform" or beta
    ]
    points += [{**points[0], "schedule": "delayed"}]
    return FigureContext(SweepResults(write(folder, points, score_and_cost, text=text)))


def search(folder: Path, count: int) -> FigureContext:
    """A random search of so many configurations, a seed each."""
    text = TEXT.replace("values: [0, 0.5, 1]", "min: 0.0, max: 1.0").replace(", points: 2", "")
    text = text.replace("name: toy", "name: toy\nmethod: random")
    points = [{"beta": (i * 0.618) % 1, "rate": 10 ** ((i * 0.755) % 4 - 3), "kind": "ab"[i % 2]} for i in range(count)]
    return FigureContext(SweepResults(write(folder, points, score_and_cost, seeds=1, text=text)))


def score_and_cost(point: dict[str, Any], seed: int) -> dict[str, float]:
    score = point["beta"] + 0.1 * (point["kind"] == "b") + 0.01 * seed
    return {"score": score, "cost": 1 + point["beta"] ** 2 + 0.01 * seed}
