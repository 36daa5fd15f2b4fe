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

from sweeper.figures import style
from sweeper.figures.subject import Axis, Subject, Unfit, canonical_level, plain, short
from sweeper.trial import State, show

FACETS = 12
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Facet:
    """One panel: its heading, and its trials."""

    title: str
    trials: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Room:
    """The size of a cell in inches, which decides how much is written into it."""

    width: float
    height: float

    def lines(self, values: np.ndarray, planned: int) -> list[str]:
        """The mean with its spread, and n, as far as they fit; a lack of values is said before the spread."""
        if self.width < 0.3 or self.height < 0.13:
            return []
        count = f"n={len(values)}" if len(values) == planned else f"n={len(values)} of {planned}"
        if len(values) == 0:
            return ["no result", count]
        mean = f"{values.mean():.3g}"
        spread = [f"±{values.std(ddof=1):.2g}"] if len(values) > 1 else []
        lines = [" ".join([mean, *spread]), count] if self.width >= 0.8 else [mean, *spread, count]
        if len(lines) * 0.125 <= self.height:
            return lines
        return [mean, count] if len(values) < planned and self.height >= 0.25 else [mean]


def draw(subject: Subject, metric: str) -> Figure:
    """The picture. Raises Unfit without two parameters to lay out."""
    across, up = subject.axes(2)
    rows = subject.trials.assign(_x=across.positions(), _y=up.positions())
    if across.levels is None or up.levels is None:
        return _scattered(subject, metric, across, up, rows)
    facets, averaged = facets_of(subject, rows, {*across.reads, *up.reads})
    notes = [f"A cell is the mean ± standard deviation over its trials. {averaged}".strip()]
    columns = min(len(facets), max(1, min(_COLUMNS, 12 // len(across.levels))))
    lines = math.ceil(len(facets) / columns)
    height = min(max(lines * (0.5 * len(up.levels) + 0.9), 2.4), 9.0)
    figure = style.sheet(subject, subject.label(metric), *notes, height=height)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    values = rows[rows.state == State.COMPLETED].groupby(["_x", "_y", *_others(facets)], dropna=False)[metric].mean()
    norm = _norm(values)
    room = Room(0.8 * style.WIDTH / (columns * len(across.levels)), (height / lines - 0.8) / len(up.levels))
    for panel, facet in zip(panels.flat, facets, strict=False):
        _cells(panel, metric, facet, (len(across.levels), len(up.levels)), room, norm)
        panel.set_title(facet.title)
        panel.grid(visible=False)
        style.scale(panel, across, "x", 40)
        style.scale(panel, up, "y", 24)
        panel.label_outer()
    for panel in list(panels.flat)[len(facets) :]:
        panel.set_visible(False)
    style.colorbar(figure, ScalarMappable(norm, style.MAP), panels, metric)
    return figure


def facets_of(subject: Subject, rows: pd.DataFrame, used: set[str]) -> tuple[list[Facet], str]:
    """A panel for each combination of the other parameters; one for all, and a note, where that are too many."""
    others = [name for name in subject.varied if name not in used]
    if not others:
        return [Facet("", rows)], ""
    keys = pd.Series([" ".join(map(canonical_level, row)) for row in rows[others].to_numpy(object)], index=rows.index)
    distinct = list(dict.fromkeys(keys))
    if len(distinct) > FACETS:
        return [Facet("", rows)], f"Averaged over {', '.join(others)}."
    facets = []
    for key in distinct:
        part = rows[keys == key]
        words = (f"{short(name, subject.varied)}={show(plain(part[name].iloc[0]))}" for name in others)
        facets.append(Facet(style.wrapped("  ".join(words), 34), part))
    return facets, ""


def _others(facets: list[Facet]) -> list[str]:
    return ["config"] if len(facets) > 1 else []


def _norm(values: pd.Series) -> Normalize:
    finite = values[np.isfinite(values)]
    if finite.empty:
        raise Unfit("no completed trial has a value")
    low, high = float(finite.min()), float(finite.max())
    if style.is_wide(finite):
        return LogNorm(low, high)
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def _cells(panel: Axes, metric: str, facet: Facet, size: tuple[int, int], room: Room, norm: Normalize) -> None:
    width, height = size
    panel.set_xlim(-0.5, width - 0.5)
    panel.set_ylim(-0.5, height - 0.5)
    panel.set_facecolor("#f4f4f4")
    grid = np.full((height, width), np.nan)
    counted = facet.trials[metric].where(facet.trials.state == State.COMPLETED)
    places: dict[tuple[int, int], list[float]] = {}
    for across, up, value in zip(facet.trials._x, facet.trials._y, counted, strict=True):
        places.setdefault((int(across), int(up)), []).append(value)
    for (x, y), cell in places.items():
        values = np.array(cell)[np.isfinite(cell)]
        mean = grid[y, x] = values.mean() if len(values) else np.nan
        color = style.ink(*colormaps[style.MAP](norm(mean))[:3]) if len(values) else "#555555"
        words = "\n".join(room.lines(values, len(cell)))
        text = panel.text(x, y, words, ha="center", va="center", fontsize=6.5, color=color, linespacing=1.2)
        text.set_in_layout(False)  # it lies within its cell; a hundred of them would take the layout seconds
    panel.imshow(grid, origin="lower", aspect="auto", cmap=style.MAP, norm=norm, interpolation="nearest")


def _scattered(subject: Subject, metric: str, across: Axis, up: Axis, rows: pd.DataFrame) -> Figure:
    """Parameters drawn from a range: a dot a configuration, and nothing made up in between."""
    done = rows[rows.state == State.COMPLETED]
    means = done.groupby("config").agg(x=("_x", "first"), y=("_y", "first"), value=(metric, "mean")).dropna()
    others = [name for name in subject.varied if name not in {*across.reads, *up.reads}]
    notes = ["A dot is the mean over a configuration's seeds; crosses have no completed trial."]
    notes += [f"They differ in {', '.join(others)} too."] if others else []
    figure = style.sheet(subject, subject.label(metric), *notes, height=4.6)
    panel = figure.subplots()
    lost = rows[~rows.config.isin(means.index)]
    panel.scatter(lost._x, lost._y, marker="x", s=18, color=style.GREY, linewidths=0.8)
    size = 34 if len(means) < 200 else 12
    dots = panel.scatter(
        means.x,
        means.y,
        c=means.value,
        cmap=style.MAP,
        norm=_norm(means.value),
        s=size,
        edgecolors="white",
        linewidths=0.3,
    )
    style.scale(panel, across, "x")
    style.scale(panel, up, "y")
    style.colorbar(figure, dots, panel, metric)
    return figure
