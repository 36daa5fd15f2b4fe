"""The values of all configurations, in their rank and as an empirical distribution function."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot. Raises NotApplicable for fewer than two configurations with a result."""
    done = context.done[np.isfinite(context.done[metric])]
    groups = done.groupby("config")[metric]
    means, spread = groups.mean(), groups.std()
    if len(means) < 2:
        raise NotApplicable(f"needs two configurations with a result, there are {len(means)}")
    order = means.sort_values(ascending=not context.maximize(metric)).index
    notes = ["Left: configurations from the best (mean over seeds; the line is a standard deviation). "]
    if context.maximize(metric) is None:
        notes = ["Left: configurations from the least (mean over seeds; the line is a standard deviation). "]
    notes[0] += "Right: the share of configurations whose mean is at most the value."
    figure = style.new_figure(context, context.label(metric), *notes, height=3.0)
    left, right = figure.subplots(1, 2)
    places = np.arange(1, len(order) + 1)
    left.errorbar(places, means[order], spread[order], fmt="none", ecolor=style.GREY, elinewidth=0.8)
    left.plot(places, means[order], ".", color=style.BLUE, markersize=3 if len(order) > 200 else 6)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_xlabel("rank")
    left.set_ylabel(style.wrapped(context.text(metric), 26))
    values = np.sort(means.to_numpy())
    right.step([values[0], *values], [0, *(places / len(values))], where="post", color=style.BLUE)
    right.set_ylim(0, 1.02)
    right.xaxis.set_major_locator(MaxNLocator(4))
    right.set_xlabel(style.wrapped(context.text(metric), 34))
    right.set_ylabel("share of configurations")
    if style.is_wide(means):
        style.logarithmic(left, "y")
        style.logarithmic(right, "x", ticks=4)
    return figure
