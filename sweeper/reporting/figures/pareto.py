"""Two metrics against each other: which configurations nothing beats in both, and the hypervolume of that front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sweeper.analysis.rounding import rounded
from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable

NAMED = 8  # configurations on the front that can be named below the plot

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ParetoData:
    """The configurations by two metrics (their means over seeds), the front among them, and its hypervolume.

    `means` has a row per configuration, columns x, y, n, front. The hypervolume is measured from the worst values seen.
    """

    names: tuple[str, str]
    maximize: tuple[bool, bool]
    assumed: tuple[str, ...]
    means: pd.DataFrame
    worst: Point
    hypervolume: float

    @property
    def front(self) -> pd.DataFrame:
        return self.means[self.means.front].sort_values("x")


def pareto_data(context: FigureContext) -> ParetoData:
    """The first two metrics asked for, else the first two goals. Raises NotApplicable without any."""
    names = [name for name, _ in context.metrics] or list(context.results.goals)
    if len(names) < 2:
        raise NotApplicable("needs two metrics: the sweep has one goal; --metric A --metric B:minimize names two")
    one, two = names[:2]
    directions = tuple(context.maximize(name) for name in (one, two))
    groups = context.done.dropna(subset=[one, two]).groupby("config", sort=False)
    means = groups.agg(x=(one, "mean"), y=(two, "mean"), n=(one, "size"))
    means = means[np.isfinite(means.x) & np.isfinite(means.y)]
    if means.empty:
        raise NotApplicable("no completed trial has both metrics")
    up = tuple(direction is not False for direction in directions)
    gains = means[["x", "y"]].to_numpy() * [1 if u else -1 for u in up]
    keep = on_front([(float(x), float(y)) for x, y in gains])
    worst = gains.min(axis=0)
    volume = hypervolume([(float(x), float(y)) for x, y in gains[keep]], (float(worst[0]), float(worst[1])))
    assumed = tuple(name for name, direction in zip((one, two), directions, strict=True) if direction is None)
    seen = tuple(float(w) * (1 if u else -1) for w, u in zip(worst, up, strict=True))
    return ParetoData((one, two), (up[0], up[1]), assumed, means.assign(front=keep), (seen[0], seen[1]), volume)


def on_front(points: Sequence[Point]) -> list[bool]:
    """Whether no other point is at least as good in both and better in one; more is better."""
    order = sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1]))
    keep, best, best_at = [False] * len(points), -np.inf, np.inf
    for i in order:
        x, y = points[i]
        # Equal points stand or fall together.
        if y > best or (y == best and x == best_at):
            keep[i], best, best_at = True, y, x
    return keep


def hypervolume(front: Sequence[Point], worst: Point) -> float:
    """The area between the points and the worst corner; more is better in both."""
    area, reached = 0.0, worst[1]
    for x, y in sorted(front, reverse=True):
        if y > reached:
            area += (x - worst[0]) * (y - reached)
            reached = y
    return area


def notes_on(found: ParetoData) -> list[str]:
    """What the plot shows, in words."""
    worst = ", ".join(f"{name} {rounded(value)}" for name, value in zip(found.names, found.worst, strict=True))
    notes = [
        f"{len(found.front)} of {len(found.means)} configurations are on the front; hypervolume "
        f"{rounded(found.hypervolume)} from the worst values seen ({worst})."
    ]
    if found.assumed:
        notes.append(f"More is assumed to be better for {' and '.join(found.assumed)}: the sweep gives no direction.")
    return notes


def draw(context: FigureContext) -> Figure:
    """The plot: the front joined by steps, dominated configurations hollow, every seed a small dot."""
    found = pareto_data(context)
    one, two = found.names
    names = [f"{n}: {context.config_label(str(config))}" for n, config in enumerate(found.front.index, 1)]
    notes = [*notes_on(found), "Small dots are seeds, large ones their means.", *(names if len(names) <= NAMED else ())]
    figure = style.new_figure(context, f"{context.text(one)} against {context.text(two)}", *notes, height=4.2)
    panel = figure.subplots()
    panel.scatter(context.done[one], context.done[two], s=8, color=style.GREY, alpha=0.6, linewidths=0)
    rest = found.means[~found.means.front]
    panel.scatter(rest.x, rest.y, s=30, facecolors="none", edgecolors=style.BLUE, linewidths=0.9, label="dominated")
    front = found.front
    where = "pre" if found.maximize[0] else "post"  # the corner lies on the side that is worse
    panel.step(front.x, front.y, where=where, color=style.ORANGE, linewidth=1.0)  # type: ignore[arg-type]
    panel.scatter(front.x, front.y, s=42, color=style.ORANGE, zorder=3, label="on the front")
    for number, row in enumerate(front.itertuples() if len(front) <= NAMED else (), 1):
        aside = (5, 4 if number % 2 else -11)  # above and below in turn: neighbours may lie on each other
        panel.annotate(
            str(number), (row.x, row.y), xytext=aside, textcoords="offset points", fontweight="bold", zorder=4
        )
    panel.set_xlabel(context.label(one))
    panel.set_ylabel(context.label(two))
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return figure
