from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sweeper.analysis.sweep_results import SweepResults
from sweeper.reporting.figures import KINDS, FigureContext, ImageFormat, RenderedFigure, draw
from sweeper.reporting.figures.context import NotApplicable
from sweeper.trial import State
from tests.records import make_trial
from tests.reporting.figures.sweeps import grid, score_and_cost, write

LOST = [(0, 0, State.FAILED), (0, 1, State.FAILED), (0, 2, State.DIVERGED), (1, 0, State.DIVERGED)]


def drawn(kind: str, context: FigureContext, *forms: ImageFormat) -> list[RenderedFigure | NotApplicable]:
    return list(draw(KINDS[kind], context, set(forms or (ImageFormat.SVG,))))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_sweep_in_which_trials_were_lost(kind: str, tmp_path: Path) -> None:
    for plot in drawn(kind, grid(tmp_path, lost=LOST), ImageFormat.PNG, ImageFormat.SVG):
        assert isinstance(plot, RenderedFigure), plot
        assert plot.content[ImageFormat.PNG].startswith(b"\x89PNG")
        ElementTree.fromstring(plot.content[ImageFormat.SVG])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_random_search(kind: str, tmp_path: Path) -> None:
    points = [{"beta": i / 20, "rate": 10 ** (i % 7 - 3), "kind": "ab"[i % 2]} for i in range(20)]
    context = FigureContext(SweepResults(write(tmp_path, points, score_and_cost, seeds=1)))
    assert all(isinstance(plot, RenderedFigure) for plot in drawn(kind, context))


@pytest.mark.parametrize("kind", ["heatmap", "importance", "parallel"])
def test_the_same_results_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    forms = (ImageFormat.SVG, ImageFormat.HTML) if kind == "parallel" else (ImageFormat.SVG,)
    assert drawn(kind, grid(tmp_path), *forms) == drawn(
        kind, FigureContext(SweepResults(grid(tmp_path).results.folder)), *forms
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_without_results_is_reported_not_plotted(kind: str, tmp_path: Path) -> None:
    lost = [(point, seed, State.FAILED) for point in range(6) for seed in range(3)]
    context = grid(tmp_path, lost=lost)
    assert all(isinstance(plot, NotApplicable) for plot in drawn(kind, context))
    assert all(
        isinstance(plot, NotApplicable)
        for plot in drawn(kind, replace(context, metrics=(("score", None), ("cost", None))))
    )


@pytest.mark.parametrize(("kind", "why"), [("heatmap", "2 parameters"), ("importance", "two parameters")])
def test_one_parameter_is_too_few_for_some(kind: str, why: str, tmp_path: Path) -> None:
    points = [{"beta": beta, "rate": 1, "kind": "a"} for beta in (0, 0.5, 1)]
    (reason, *_) = drawn(kind, FigureContext(SweepResults(write(tmp_path, points, score_and_cost))))
    assert isinstance(reason, NotApplicable)
    assert why in str(reason)


def test_names_of_every_kind_are_only_names(tmp_path: Path) -> None:
    """A dollar would start mathematics in matplotlib, a tag would be one in plotly, a script its font may lack."""
    points = [{"a$b_$": value, "<b>x</b>": f"$\\frac{value}$ <i>重み</i>"} for value in range(3)]
    text = "name: toy\nparameters: {beta: {values: [1, 2]}}\n"
    sweep = write(tmp_path, points, lambda point, seed: {"$score": point["a$b_$"] + seed, "<i>cost": 1.0}, text=text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("heatmap", "seeds", "curves", "parallel"):
            for plot in drawn(kind, FigureContext(SweepResults(sweep)), ImageFormat.SVG, ImageFormat.HTML):
                assert isinstance(plot, RenderedFigure)
                assert b"<i>cost" not in plot.content.get(ImageFormat.HTML, b"")


def test_the_name_of_a_file_cannot_leave_its_folder() -> None:
    assert RenderedFigure("heatmap", "diagnostics/../x", {}).stem == "heatmap-diagnostics-..-x"
    assert make_trial().key
