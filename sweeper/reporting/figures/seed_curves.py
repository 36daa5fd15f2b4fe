"""How a metric moved in every single seed: a small panel per configuration, all with the same axes.

The bands of `curves` hide what a seed did: whether one jumped late, or two of five never learned.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable
from sweeper.reporting.figures.curves import SeedCurves, seed_curves

PANELS = 24  # configurations that fit on a page
COLUMNS = 4


def panels_of(context: FigureContext, metric: str) -> tuple[list[SeedCurves], list[str]]:
    """The configurations that have a panel, the best first where it is known what that is, and notes on them.

    Raises NotApplicable where `curves` has every seed already: no configuration has two.
    """
    found = seed_curves(context, metric)
    if max(curve.count for curve in found) < 2:
        raise NotApplicable("no configuration has two seeds: curves shows each")
    notes = ["A thin line is a seed, the thick one the median; crosses are where a trial diverged or failed."]
    if len(found) > PANELS:
        notes.append(f"The first {PANELS} of {len(found)} configurations, {context.ranked(metric)[1]}.")
    return found[:PANELS], notes


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot. Raises NotApplicable as `panels_of` does."""
    shown, notes = panels_of(context, metric)
    columns = min(COLUMNS, len(shown))
    lines = math.ceil(len(shown) / columns)
    titles = [style.wrapped(curve.label, 92 // columns) for curve in shown]
    tall = 0.11 * max(title.count("\n") for title in titles)
    height = 0.7 + lines * (1.35 + tall)
    figure = style.new_figure(context, context.label(metric), *notes, height=height)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for panel, curve, title in zip(panels.flat, shown, titles, strict=False):
        _panel(panel, curve)
        panel.set_title(title, fontsize=7)
        panel.tick_params(labelsize=7)
    for panel in list(panels.flat)[len(shown) :]:
        panel.set_visible(False)
    for panel in list(panels.flat)[max(0, len(shown) - columns) : len(shown)]:  # the lowest of each column
        panel.tick_params(labelbottom=True)
        panel.set_xlabel("step", fontsize=8)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for panel in panels[:, 0]:
        panel.set_ylabel(style.wrapped(context.text(metric), 20), fontsize=8)
    if style.is_wide(pd.concat([curve.median for curve in shown])):
        style.logarithmic(panels[0, 0], "y", ticks=4)
    return figure


def _panel(panel: Axes, curve: SeedCurves) -> None:
    seeds = [curve.seeds[trial].dropna() for trial in curve.seeds]
    lines = [list(zip(seed.index, seed, strict=True)) for seed in seeds]
    panel.add_collection(LineCollection(lines, colors=style.BLUE, linewidths=0.8, alpha=0.6))
    panel.plot(curve.median.index, curve.median, color=style.ORANGE, linewidth=1.4)
    for end in curve.ends:
        panel.plot(*end, "x", color="black", markersize=5)
    panel.autoscale_view()
