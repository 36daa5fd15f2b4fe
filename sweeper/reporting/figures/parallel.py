"""Every configuration as a line through its parameters and its metrics: what the good ones have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.analysis.frames import cell_value
from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureAxis, FigureContext, NotApplicable
from sweeper.value_text import show


@dataclass(frozen=True, slots=True)
class ParallelAxis:
    """One upright axis: a name, where each configuration crosses it, and the ticks with their words."""

    name: str
    label: str
    values: pd.Series
    ticks: list[tuple[float, str]]
    log: bool = False
    is_levels: bool = False

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return float(self.values.min()), float(self.values.max())

    def heights(self) -> pd.Series:
        """The crossings between 0 (the least) and 1 (the greatest)."""
        return self.values.map(self.height)

    def height(self, value: float) -> float:
        low, high = self.span
        if self.log:
            value, low, high = np.log([value, low, high])
        return float((value - low) / (high - low)) if high > low else 0.5


def parallel_axes(context: FigureContext) -> list[ParallelAxis]:
    """An axis for each parameter that varies and each metric shown; only configurations that have them all.

    Raises NotApplicable where that is too little to look at.
    """
    done = context.done.dropna(subset=context.shown)
    configs = done.config.drop_duplicates()
    if not context.varied or len(configs) < 2:
        raise NotApplicable(
            f"needs a parameter that varies and two configurations, there are {len(configs)} with a result"
        )
    found = []
    short = context.short_names([*context.varied, *context.shown])
    for name in context.varied:
        axis = context.axis(name)
        at = axis.positions().loc[configs.index].set_axis(configs)
        ticks = _level_ticks(axis)
        found.append(
            ParallelAxis(
                name, short[name], at, ticks or _number_ticks(at, axis.log), axis.log and not ticks, bool(ticks)
            )
        )
    for name in context.shown:
        means = done.groupby("config")[name].mean().loc[configs]
        wide = style.is_wide(means)
        found.append(ParallelAxis(name, short[name], means, _number_ticks(means, wide), wide))
    return found


def _level_ticks(axis: FigureAxis) -> list[tuple[float, str]]:
    return [(float(i), show(cell_value(level))[:14]) for i, level in enumerate(axis.levels or ())]


def _number_ticks(values: pd.Series, log: bool = False) -> list[tuple[float, str]]:
    """Round numbers between the least and the greatest value; the decades of a logarithm. These two where none is."""
    low, high = float(values.min()), float(values.max())
    if log and low > 0:
        decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        ticks = [10.0**decade for decade in list(decades)[:: max(1, len(decades) // 5)]]
    else:
        ticks = [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    if len(ticks) > 1:
        return [(tick, f"{tick:.6g}") for tick in ticks]  # round, so short
    return [(tick, f"{tick:.3g}") for tick in dict.fromkeys([low, high])]


def wobble(shape: tuple[int, ...]) -> np.ndarray:
    """What lines are moved by, so that equal ones do not hide each other; the height of an axis is 1."""
    return np.random.default_rng(0).uniform(-0.012, 0.012, shape)


def draw(context: FigureContext) -> Figure:
    """The plot, its lines in the colour of the first metric."""
    found = parallel_axes(context)
    first = next(axis for axis in found if axis.name == context.shown[0])
    notes = [f"A line is a configuration (mean over its seeds), in the colour of {context.text(first.name)}."]
    figure = style.new_figure(
        context, "Configurations side by side", *notes, height=3.9, width=max(style.WIDTH, 1.25 * len(found))
    )
    panel = figure.subplots()
    heights = pd.DataFrame({axis.name: axis.heights() for axis in found})
    norm = LogNorm(*first.span) if first.log else Normalize(*first.span)
    order = np.argsort(heights[first.name].to_numpy(), kind="stable")  # the brightest in front
    lines = [
        np.column_stack([np.arange(len(found)), line]) for line in (heights.to_numpy() + wobble(heights.shape))[order]
    ]
    crowded = 0.9 if len(heights) < 60 else 0.35
    drawn = LineCollection(lines, cmap=style.MAP, norm=norm, linewidths=1.1, alpha=crowded, rasterized=len(lines) > 200)
    drawn.set_array(first.values.to_numpy(float)[order])
    panel.add_collection(drawn)
    for at, axis in enumerate(found):
        _upright(panel, at, axis)
    panel.set_xticks(range(len(found)), [style.wrapped(axis.label, 16) for axis in found], fontsize=7.5)
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    panel.grid(visible=False)
    panel.set_xlim(-0.2, len(found) - 0.6)
    panel.set_ylim(-0.04, 1.04)
    style.colorbar(figure, ScalarMappable(norm, style.MAP), panel, context.text(first.name))
    return figure


def _upright(panel: Axes, at: int, axis: ParallelAxis) -> None:
    panel.axvline(at, color="#444444", linewidth=0.8, zorder=3)
    for value, text in axis.ticks:
        if axis.values.min() <= value <= axis.values.max():
            box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6}
            panel.text(at + 0.04, axis.height(value), text, fontsize=7, va="center", bbox=box, zorder=4)
