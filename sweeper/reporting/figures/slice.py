"""A metric against each parameter that varies, one panel each: every trial a dot."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureAxis, FigureContext, NotApplicable

PANELS = 9


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot, of --x alone if given. Raises NotApplicable where nothing varies, or no trial completed."""
    axes = [context.axis(context.x)] if context.x else [context.axis(name) for name in context.varied[:PANELS]]
    if not axes:
        raise NotApplicable("no parameter varies")
    if context.done[metric].dropna().empty:
        raise NotApplicable("no completed trial has a value")
    columns = min(3, len(axes))
    lines = math.ceil(len(axes) / columns)
    notes = ["A dot is a completed trial; the line joins the medians of each value, all other parameters together."]
    if len(context.varied) > PANELS and not context.x:
        notes.append(f"The first {PANELS} of {len(context.varied)} parameters; --x names another.")
    figure = style.new_figure(context, context.label(metric), *notes, height=0.6 + 2.2 * lines)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for panel, axis in zip(panels.flat, axes, strict=False):
        _panel(panel, context, axis, metric)
    for panel in list(panels.flat)[len(axes) :]:
        panel.set_visible(False)
    for first in panels[:, 0]:
        first.set_ylabel(style.wrapped(context.text(metric), 24))
    if style.is_wide(context.done[metric]):
        style.logarithmic(panels[0, 0], "y")
    return figure


def _panel(panel: Axes, context: FigureContext, axis: FigureAxis, metric: str) -> None:
    done = context.done
    at, values = axis.positions().loc[done.index], done[metric].astype(float)
    spread = np.random.default_rng(0).uniform(-0.12, 0.12, len(at)) if axis.levels is not None else 0.0
    panel.scatter(at + spread, values, s=14, alpha=0.5 if len(at) < 300 else 0.2, color=style.BLUE, linewidths=0)
    if axis.levels is not None:
        medians = values.groupby(at).median()
        panel.plot(medians.index, medians, "-", color=style.ORANGE, linewidth=1.2, marker="D", markersize=4)
        panel.set_xlim(-0.5, len(axis.levels) - 0.5)
    else:
        _median_line(panel, at.to_numpy(), values.to_numpy(), log=axis.log)
    style.scale(panel, axis, "x", 26)
    panel.xaxis.label.set_fontsize(7.5)


def _median_line(panel: Axes, at: np.ndarray, values: np.ndarray, *, log: bool, bins: int = 8) -> None:
    """Medians of up to eight groups of equally many trials, where there are enough for a median."""
    order = np.argsort(at, kind="stable")
    groups = [g for g in np.array_split(order, max(1, min(bins, len(order) // 10))) if len(g) >= 5]
    if len(groups) < 2:
        return
    middle = np.exp if log else np.asarray
    inside = np.log if log else np.asarray
    xs = [float(middle(np.mean(inside(at[group])))) for group in groups]
    panel.plot(
        xs, [float(np.nanmedian(values[g])) for g in groups], "D-", color=style.ORANGE, linewidth=1.2, markersize=4
    )
