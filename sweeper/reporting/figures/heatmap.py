"""A metric over two parameters: a cell is the mean over its trials, the other parameters are facets or averaged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from sweeper.analysis.frames import cell_value
from sweeper.cvae.terms import DEPENDENT_WEIGHTS, INDEPENDENT_SUMS
from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureAxis, FigureContext, NotApplicable, canonical_level
from sweeper.trial import State
from sweeper.value_text import show

FACETS = 12
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Facet:
    """One panel: its heading, and its trials."""

    title: str
    trials: pd.DataFrame


@dataclass(frozen=True, slots=True)
class CellSize:
    """The size of a cell in inches, which decides how much is written into it."""

    width: float
    height: float

    def lines(self, values: np.ndarray, planned: int) -> list[str]:
        """The mean with its spread, and n, as far as they fit; missing values come before the spread."""
        if self.width < 0.3 or self.height < 0.13:
            return []
        count = f"n={len(values)}" if len(values) == planned else f"n={len(values)} of {planned}"
        if len(values) == 0:
            return ["no result", count]
        std = values.std(ddof=1) if len(values) > 1 else np.nan
        mean = f"{values.mean():.{4 if std < 0.01 * abs(values.mean()) else 3}g}"
        spread = next(([text] for text in (f"±{std:.2g}", f"±{std:.0e}") if self._fits(text)), [])
        spread = spread if len(values) > 1 else []
        lines = [" ".join([mean, *spread]), count] if self.width >= 0.9 else [mean, *spread, count]
        if len(lines) * 0.125 <= self.height:
            return lines
        return [mean, count] if len(values) < planned and self.height >= 0.25 else [mean]

    def _fits(self, text: str) -> bool:
        return len(text) * 0.065 <= self.width  # inches of a character and the space around a cell's text


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot. Raises NotApplicable without two parameters to lay out."""
    x_axis, y_axis, why = laid_out(context)
    rows = context.trials.assign(_x=x_axis.positions(), _y=y_axis.positions())
    if x_axis.levels is None or y_axis.levels is None:
        drawn = x_axis if x_axis.levels is None else y_axis
        raise NotApplicable(f"{drawn.label} was drawn from a range: contour shows that")
    facets, averaged = facets_of(context, rows, {*x_axis.reads, *y_axis.reads})
    notes = [f"A cell is the mean ± standard deviation over its trials. {averaged}".strip(), *why]
    columns = min(len(facets), max(1, min(_COLUMNS, 12 // len(x_axis.levels))))
    lines = math.ceil(len(facets) / columns)
    font, characters = (9, 60 // columns) if columns < 3 else (7, 76 // columns)
    titles = [style.wrapped(facet.title, characters) for facet in facets]
    across = 44 // columns
    below = style.wrapped(x_axis.label, across)
    # Inches around the cells of a panel: further lines of its title and of its label, and levels that are turned.
    around = 0.8 + 0.15 * (max(title.count("\n") for title in titles) + below.count("\n"))
    around += 0.4 * style.is_crowded(x_axis, across)
    height = min(max(lines * (0.5 * len(y_axis.levels) + 0.1 + around), 2.4), 9.0)
    figure = style.new_figure(context, context.label(metric), *notes, height=height)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    values = rows[rows.state == State.COMPLETED].groupby(["_x", "_y", *_others(facets)], dropna=False)[metric].mean()
    norm = color_norm(values)
    cell_size = CellSize(
        (0.8 if columns < 3 else 0.68) * style.WIDTH / (columns * len(x_axis.levels)),
        (height / lines - around) / len(y_axis.levels),
    )
    for number, (panel, facet, title) in enumerate(zip(panels.flat, facets, titles, strict=False)):
        _cells(panel, metric, facet, (len(x_axis.levels), len(y_axis.levels)), cell_size, norm)
        panel.set_title(title, fontsize=font)
        panel.grid(visible=False)
        style.scale(panel, x_axis, "x", across)
        style.scale(panel, y_axis, "y", min(24, max(10, int((height / lines - around) / 0.08))))
        panel.label_outer()
        if number + columns >= len(facets):  # the lowest of its column
            panel.tick_params(labelbottom=True)
            panel.set_xlabel(below)
    for panel in list(panels.flat)[len(facets) :]:
        panel.set_visible(False)
    style.colorbar(figure, ScalarMappable(norm, style.MAP), panels, context.text(metric))
    return figure


def laid_out(context: FigureContext) -> tuple[FigureAxis, FigureAxis, list[str]]:
    """The two axes, and a note where they are combinations that were not requested.

    Under a uniform prior the bundled trainer's loss depends on some of its weights only through fewer sums: over the
    weights themselves, a grid of all of them shows every result several times.
    """
    trials = context.trials
    redundant = (
        set(DEPENDENT_WEIGHTS) <= set(context.varied)
        and "model.prior" in trials
        and set(trials["model.prior"]) == {"uniform"}
    )
    if context.x or context.y or not redundant:
        x_axis, y_axis = context.axes(2)
        return x_axis, y_axis, []
    x_axis, y_axis = (context.axis(text) for text in INDEPENDENT_SUMS)
    return x_axis, y_axis, ["The axes are what the loss depends on: the weights of I(z; x, y) and of the marginal KL."]


def facets_of(context: FigureContext, rows: pd.DataFrame, used: set[str]) -> tuple[list[Facet], str]:
    """A panel for each combination of the other parameters; one for all, and a note, where that are too many."""
    others = [name for name in context.varied if name not in used]
    if not others:
        return [Facet("", rows)], ""
    keys = pd.Series([" ".join(map(canonical_level, row)) for row in rows[others].to_numpy(object)], index=rows.index)
    distinct = list(dict.fromkeys(keys))
    if len(distinct) > FACETS:
        return [Facet("", rows)], f"Averaged over {', '.join(map(context.text, others))}."
    facets, short = [], context.short_names(context.varied)
    for key in distinct:
        part = rows[keys == key]
        settings = (f"{short[name]}={show(cell_value(part[name].iloc[0]))}" for name in others)
        facets.append(Facet("  ".join(settings), part))
    return facets, ""


def _others(facets: list[Facet]) -> list[str]:
    return ["config"] if len(facets) > 1 else []


def color_norm(values: pd.Series) -> Normalize:
    finite = values[np.isfinite(values)]
    if finite.empty:
        raise NotApplicable("no completed trial has a value")
    low, high = float(finite.min()), float(finite.max())
    if style.is_wide(finite):
        return LogNorm(low, high)
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def _cells(panel: Axes, metric: str, facet: Facet, size: tuple[int, int], cell_size: CellSize, norm: Normalize) -> None:
    width, height = size
    panel.set_xlim(-0.5, width - 0.5)
    panel.set_ylim(-0.5, height - 0.5)
    panel.set_facecolor("#f4f4f4")
    grid = np.full((height, width), np.nan)
    counted = facet.trials[metric].where(facet.trials.state == State.COMPLETED)
    places: dict[tuple[int, int], list[float]] = {}
    for x, y, value in zip(facet.trials._x, facet.trials._y, counted, strict=True):
        places.setdefault((int(x), int(y)), []).append(value)
    for (x, y), cell in places.items():
        values = np.array(cell)[np.isfinite(cell)]
        mean = grid[y, x] = values.mean() if len(values) else np.nan
        color = style.ink(*colormaps[style.MAP](norm(mean))[:3]) if len(values) else "#555555"
        lines = "\n".join(cell_size.lines(values, len(cell)))
        text = panel.text(x, y, lines, ha="center", va="center", fontsize=6.5, color=color, linespacing=1.2)
        text.set_in_layout(False)  # it lies within its cell; a hundred of them would take the layout seconds
    panel.imshow(grid, origin="lower", aspect="auto", cmap=style.MAP, norm=norm, interpolation="nearest")
