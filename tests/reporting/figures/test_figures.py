from __future__ import annotations

import math
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from sweeper.analysis.sweep_results import SweepResults
from sweeper.reporting.figures import KINDS, FigureContext, ImageFormat, RenderedFigure, draw, style
from sweeper.reporting.figures.context import NotApplicable
from sweeper.trial import State
from tests.records import make_trial
from tests.reporting.figures.sweeps import TEXT, facets, grid, score_and_cost, search, write

LONG_LABEL = "label: weight of the divergence between latents, short: div"
LONG = TEXT.replace("values: [0, 0.5, 1]", f"values: [0, 0.5, 1], {LONG_LABEL}")
LOST = [(0, 0, State.FAILED), (0, 1, State.FAILED), (0, 2, State.DIVERGED), (1, 0, State.DIVERGED)]


def drawn(kind: str, context: FigureContext, *forms: ImageFormat) -> list[RenderedFigure | NotApplicable]:
    return list(draw(KINDS[kind], context, set(forms or (ImageFormat.SVG,))))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_sweep_in_which_trials_were_lost(kind: str, tmp_path: Path) -> None:
    for plot in drawn(kind, grid(tmp_path, lost=LOST), ImageFormat.PNG, ImageFormat.SVG, ImageFormat.PDF):
        if kind == "contour":
            assert "heatmap shows grids" in str(plot)
            continue
        assert isinstance(plot, RenderedFigure), plot
        assert plot.content[ImageFormat.PNG].startswith(b"\x89PNG")
        ElementTree.fromstring(plot.content[ImageFormat.SVG])
        assert plot.content[ImageFormat.PDF].startswith(b"%PDF")
        assert b"Date" not in plot.content[ImageFormat.PDF]


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_no_axis_can_have_are_left_out(kind: str, tmp_path: Path) -> None:
    """Before, `plot` and `report` ended with an internal error: Axis limits cannot be NaN or Inf."""
    huge = {(0, 0): 1.7e308, (0, 1): -1.7e308, (0.5, 0): math.inf, (0.5, 1): 1e301}
    points = [{"beta": beta, "rate": 1, "kind": kind} for beta in (0, 0.5, 1) for kind in ("a", "b")]
    for every in (False, True):

        def scores(settings: dict[str, Any], seed: int, every: bool = every) -> dict[str, float]:
            found = huge.get((settings["beta"], seed), 1.7e308 if every else seed + settings["beta"])
            return {"score": found, "cost": found}

        sweep = write(tmp_path / str(every), points, scores)
        plots = drawn(kind, FigureContext(SweepResults(sweep)), *ImageFormat)
        assert every or kind == "contour" or all(isinstance(plot, RenderedFigure) for plot in plots), plots


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_random_search(kind: str, tmp_path: Path) -> None:
    plots = drawn(kind, search(tmp_path, 25))
    why = {"heatmap": "contour shows that", "seed-curves": "no configuration has two seeds"}.get(kind)
    if why is not None:
        assert all(why in str(plot) for plot in plots)
    else:
        assert all(isinstance(plot, RenderedFigure) for plot in plots), plots


def test_a_range_of_a_search_is_a_scale_however_few_its_values(tmp_path: Path) -> None:
    axis = search(tmp_path, 5).axis("rate")
    assert (axis.levels, axis.log) == (None, True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sweep", ["grid", "search", "facets"])
def test_no_text_overlaps_another_or_leaves_the_page(kind: str, sweep: str, tmp_path: Path) -> None:
    sweeps = {"grid": lambda: grid(tmp_path, text=LONG), "search": lambda: search(tmp_path, 25)}
    context = sweeps.get(sweep, lambda: facets(tmp_path))()
    for metric in context.shown[:1] if KINDS[kind].by_metric else [None]:
        with style.look():
            try:
                figure = KINDS[kind].draw(context, *([metric] if metric else []))
            except NotApplicable:
                return
            boxes = text_boxes(figure)
    assert len(boxes) > 3
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in boxes:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -2, f"{text!r} leaves the page"
    for (one, box), (other, second) in combinations(boxes, 2):
        both = Bbox.intersection(box, second)
        assert both is None or min(both.width, both.height) < 2, f"{one!r} overlaps {other!r}"


def text_boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that can be seen, with the pixels that it fills."""
    FigureCanvasAgg(figure).draw()
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {label for axes in figure.axes for label in _out_of_sight(axes)}
    seen = [
        text
        for text in texts
        if text not in hidden and text.axes not in [a for a in figure.axes if not a.get_visible()]
    ]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in seen]


def _out_of_sight(axes: Axes) -> list[Text]:
    """The labels of ticks beyond the ends of an axis, and all of one that is not shown: they are not drawn."""
    found = []
    for side in (axes.xaxis, axes.yaxis):
        low, high = sorted(side.get_view_interval())
        drawn = side.get_visible() and axes.get_visible()
        for tick in (*side.get_major_ticks(), *side.get_minor_ticks()):
            inside = low <= tick.get_loc() <= high and drawn
            found += [label for label in (tick.label1, tick.label2) if not (inside and label.get_visible())]
    return found


@pytest.mark.parametrize("kind", ["contour", "parallel", "curves", "history"])
def test_files_of_a_thousand_trials_stay_below_a_megabyte(kind: str, tmp_path: Path) -> None:
    context = replace(search(tmp_path, 1000), metrics=(("score", None),))
    (plot,) = drawn(kind, context, ImageFormat.PNG)
    assert isinstance(plot, RenderedFigure)
    assert len(plot.content[ImageFormat.PNG]) < 1_000_000


@pytest.mark.parametrize("kind", ["heatmap", "importance", "parallel"])
def test_the_same_results_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    forms = (ImageFormat.SVG, ImageFormat.HTML) if kind == "parallel" else (ImageFormat.SVG,)
    assert drawn(kind, grid(tmp_path), *forms) == drawn(
        kind, FigureContext(SweepResults(grid(tmp_path).results.folder)), *forms
    )


def test_axes_lie_where_they_lay_in_every_run(tmp_path: Path) -> None:
    # The last digits of what the layout's solver finds vary, and with them the ids of an SVG.
    with style.look():
        figure = KINDS["seed-curves"].draw(grid(tmp_path), "score")
        style.svg(figure)
    positions = [edge for axes in figure.axes for edge in axes.get_position(original=True).bounds]
    assert positions == pytest.approx([round(edge, 6) for edge in positions], abs=1e-12)


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


def test_metrics_whose_names_a_file_cannot_tell_apart_have_files_of_their_own(tmp_path: Path) -> None:
    """Before, the plots of the later metric replaced those of the earlier one."""
    names = ["val/loss", "val loss", "val-loss", "other"]
    sweep = write(tmp_path, [{"beta": 0}, {"beta": 1}], lambda settings, seed: dict.fromkeys(names, 1.0 + seed))
    for asked in (names, names[:1]):
        context = FigureContext(SweepResults(sweep), tuple((name, None) for name in asked))
        stems = {plot.metric: plot.stem for plot in drawn("seeds", context) if isinstance(plot, RenderedFigure)}
        assert stems["val/loss"] == "seeds-val-loss-3"
        assert len(set(stems.values())) == len(asked)
    assert make_trial().key
