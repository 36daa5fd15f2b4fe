"""A metric over pairs of parameters that a search drew from ranges: every configuration a dot, their average behind."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureAxis, FigureContext, NotApplicable
from sweeper.reporting.figures.heatmap import color_norm
from sweeper.trial import State

MOST = 4  # parameters whose pairs are drawn
ENOUGH = 20  # dots that an average can be made of
NEAR = 0.1  # of the width and of the height: how far a dot counts in it
CELLS = 80


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot. Raises NotApplicable where no parameter is a scale, or no trial completed."""
    pairs = _pairs(context)
    done = context.trials.assign(value=context.trials[metric].where(context.trials.state == State.COMPLETED))
    norm = color_norm(done.value)
    notes = ["A dot is the mean over the completed trials there, whatever else varies; a cross has none."]
    if done.value.notna().sum() >= ENOUGH:
        notes.append("The colour behind the dots is the average of those nearby.")
    columns = min(3, len(pairs))
    lines = math.ceil(len(pairs) / columns)
    height = 4.4 if len(pairs) == 1 else 0.6 + 2.5 * lines
    figure = style.new_figure(context, context.label(metric), *notes, height=height)
    panels = figure.subplots(lines, columns, squeeze=False)
    for panel, (x_axis, y_axis) in zip(panels.flat, pairs, strict=False):
        rows = pd.DataFrame({"x": x_axis.positions(), "y": y_axis.positions(), "value": done.value})
        _panel(panel, rows, x_axis, y_axis, norm)
        width = 46 // columns
        style.scale(panel, x_axis, "x", width)
        style.scale(panel, y_axis, "y", 24)
    for panel in list(panels.flat)[len(pairs) :]:
        panel.set_visible(False)
    style.colorbar(figure, ScalarMappable(norm, style.MAP), panels, context.text(metric))
    return figure


def _pairs(context: FigureContext) -> list[tuple[FigureAxis, FigureAxis]]:
    """The axes asked for, else the pairs of scales; with a single scale, it and the next parameter."""
    if context.x or context.y:
        x_axis, y_axis = context.axes(2)
        if x_axis.levels is not None and y_axis.levels is not None:
            raise NotApplicable("both parameters have a few values: heatmap shows that")
        return [(x_axis, y_axis)]
    axes = [context.axis(name) for name in context.varied]
    scales = [axis for axis in axes if axis.levels is None][:MOST]
    if not scales:
        raise NotApplicable("no parameter was drawn from a range: heatmap shows grids")
    if len(axes) < 2:
        raise NotApplicable("needs 2 parameters that vary, the sweep has 1")
    others = [axis for axis in axes if axis is not scales[0]]
    return list(combinations(scales, 2)) or [(scales[0], others[0])]


def _panel(panel: Axes, rows: pd.DataFrame, x_axis: FigureAxis, y_axis: FigureAxis, norm: Normalize) -> None:
    places = rows.groupby(["x", "y"])["value"].mean().reset_index()
    means, lost = places[places["value"].notna()], places[places["value"].isna()]
    if len(means) >= ENOUGH and x_axis.levels is None and y_axis.levels is None:
        _average(panel, means, x_axis.log, y_axis.log, norm)
        panel.grid(visible=False)
    many = len(means) >= 200
    look: dict[str, Any] = {"cmap": style.MAP, "norm": norm, "edgecolors": "white", "linewidths": 0.3}
    panel.scatter(lost.x, lost.y, marker="x", s=18, color=style.GREY, linewidths=0.8)
    panel.scatter(means.x, means.y, c=means.value, s=6 if many else 24, rasterized=many, **look)


def _average(panel: Axes, means: pd.DataFrame, x_log: bool, y_log: bool, norm: Normalize) -> None:
    """The mean of the dots near each place, weighted by a Gaussian of the distance; blank where none is near."""
    at = np.column_stack([np.log(means.x) if x_log else means.x, np.log(means.y) if y_log else means.y])
    low, span = at.min(axis=0), np.ptp(at, axis=0)
    if not (span > 0).all():
        return
    dots, steps = (at - low) / span, np.linspace(0, 1, CELLS)
    places = np.stack(np.meshgrid(steps, steps), axis=-1)
    weights = np.exp(-((places[:, :, None, :] - dots) ** 2).sum(axis=-1) / (2 * NEAR**2))
    values = (weights * means.value.to_numpy()).sum(axis=-1) / weights.sum(axis=-1)
    values[weights.max(axis=-1) < math.exp(-2)] = np.nan
    edges = low + steps[:, None] * span
    xs, ys = (np.exp(edges[:, i]) if log else edges[:, i] for i, log in ((0, x_log), (1, y_log)))
    look: dict[str, Any] = {"shading": "nearest", "antialiased": False, "edgecolors": "none"}  # no seams between cells
    panel.pcolormesh(xs, ys, values, cmap=style.MAP, norm=norm, alpha=0.45, rasterized=True, **look)
