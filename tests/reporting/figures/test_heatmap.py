from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from sweeper.analysis.sweep_results import SweepResults
from sweeper.cvae.terms import DEPENDENT_WEIGHTS, INDEPENDENT_SUMS
from sweeper.reporting.figures import heatmap, style
from sweeper.reporting.figures.context import FigureContext
from sweeper.trial import State
from tests.reporting.figures.sweeps import grid, score_and_cost, write


def words(context: FigureContext) -> list[str]:
    with style.look():
        figure = heatmap.draw(context, "score")
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_cell_has_its_mean_spread_and_n(tmp_path: Path) -> None:
    found = words(grid(tmp_path, lost=[(0, 0, State.FAILED)]))
    assert "0.015 ±0.0071\nn=2 of 3" in found
    assert "1.11 ±0.01\nn=3" in found


def test_a_cell_without_a_result_says_so(tmp_path: Path) -> None:
    lost = [(0, seed, State.DIVERGED) for seed in range(3)]
    assert "no result\nn=0 of 3" in words(grid(tmp_path, lost=lost))


def test_other_parameters_are_facets_while_they_are_few(tmp_path: Path) -> None:
    points = [{"beta": b, "rate": r, "kind": k} for b in (0, 1) for r in (1, 2) for k in "ab"]
    context = FigureContext(SweepResults(write(tmp_path, points, score_and_cost)))
    rows = context.trials.assign(_x=0.0)
    facets, note = heatmap.facets_of(context, rows, {"beta", "rate"})
    assert ([facet.title for facet in facets], note) == (["kind=a", "kind=b"], "")
    assert len(facets[0].trials) == 12


def test_too_many_others_are_averaged_and_named(tmp_path: Path) -> None:
    points = [{"beta": b, "rate": r, "kind": "a"} for b in (0, 1) for r in range(1, 15)]
    context = FigureContext(SweepResults(write(tmp_path, points, score_and_cost)))
    facets, note = heatmap.facets_of(context, context.trials, {"beta"})
    assert (len(facets), note) == (1, "Averaged over rate.")


def test_a_combination_merges_what_it_cannot_tell_apart(tmp_path: Path) -> None:
    points = [{"beta": b, "rate": r, "kind": k} for b in (0, 1) for r in (0, 1) for k in "ab"]
    context = replace(FigureContext(SweepResults(write(tmp_path, points, score_and_cost))), x="beta + rate")
    assert sum("n=6" in text for text in words(context)) == 2  # beta + rate = 1, for each kind


def test_weights_that_say_the_same_are_combined_unless_asked_otherwise(tmp_path: Path) -> None:
    points = [
        dict(zip(DEPENDENT_WEIGHTS, values, strict=True)) | {"model.prior": "uniform", "beta": 0, "kind": "a"}
        for values in itertools.product((0, 1), repeat=3)
    ]
    context = FigureContext(SweepResults(write(tmp_path, points, score_and_cost)))
    across, up, (note,) = heatmap.laid_out(context)
    assert (across.name, up.name) == INDEPENDENT_SUMS
    assert (across.levels, up.levels) == ([-1, 0, 1], [-1, 0, 1, 2])
    assert "what the loss depends on" in note
    assert heatmap.laid_out(replace(context, x="loss.beta"))[0].name == "loss.beta"
