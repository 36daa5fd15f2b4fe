"""Every seed of every configuration: outcomes are often bimodal, and a mean alone would hide that."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable
from sweeper.trial import State

ROWS = 40  # configurations that fit on a page


def draw(context: FigureContext, metric: str) -> Figure:
    """A strip per configuration: a dot per seed, the mean and its 95 % interval below. NotApplicable without values."""
    values = context.done[np.isfinite(context.done[metric])]
    if values.empty:
        raise NotApplicable("no completed trial has a value")
    configs, notes = _chosen(context)
    figure = style.new_figure(context, context.label(metric), *notes, height=0.9 + 0.26 * len(configs))
    panel = figure.subplots()
    seeds = {config: part[metric].to_numpy(float) for config, part in values.groupby("config")}
    lost = context.trials[context.trials.state != State.COMPLETED]
    others = {config: Counter(part.state) for config, part in lost.groupby("config")}
    at: list[float] = []
    for row, config in enumerate(configs):
        of_seeds = seeds.setdefault(config, np.array([]))
        at += list(row - np.linspace(0.26, 0.06, len(of_seeds)))  # apart: equal seeds must not hide each other
        count = f"n={len(of_seeds)}" + "".join(f", {n} {state}" for state, n in others.get(config, {}).items())
        panel.text(1.01, row, count, transform=panel.get_yaxis_transform(), fontsize=7, va="center", color="#555555")
    panel.scatter(np.concatenate([seeds[c] for c in configs]), at, s=16, color=style.BLUE, alpha=0.75, linewidths=0)
    _means(panel, context, metric, configs)
    panel.set_ylim(len(configs) - 0.5, -0.5)
    panel.set_yticks(range(len(configs)), [style.wrapped(context.config_label(c), 48) for c in configs], fontsize=7)
    panel.set_xlabel(context.text(metric))
    _keep_in_sight(panel, values.loc[values.config.isin(configs), metric])
    return figure


def _chosen(context: FigureContext) -> tuple[list[str], list[str]]:
    """Which configurations, in which order: the plan's, or the best where they do not fit."""
    notes = ["Dots are seeds; the diamond is their mean, the line its 95 % interval (t), cut at the edges."]
    configs = list(dict.fromkeys(context.trials.config))
    if len(configs) <= ROWS:
        return configs, notes
    best, by = context.ranked(context.shown[0])
    return best[:ROWS], [*notes, f"The first {ROWS} of {len(configs)} configurations, {by}."]


def _means(panel: Axes, context: FigureContext, metric: str, configs: list[str]) -> None:
    table = context.results.configs.set_index("config").loc[configs]
    mean, low, high = (table[f"{metric}.{part}"].to_numpy(float) for part in ("mean", "ci_low", "ci_high"))
    at = np.arange(len(configs)) + 0.2
    panel.hlines(at, low, high, color=style.ORANGE, linewidth=1.4)
    panel.plot(mean, at, "D", color=style.ORANGE, markersize=4)


def _keep_in_sight(panel: Axes, seeds: pd.Series) -> None:
    """The seeds fill the width: the interval of two seeds can be a hundred times wider."""
    low, high = float(seeds.min()), float(seeds.max())
    if style.is_wide(seeds):
        style.logarithmic(panel, "x")
        panel.set_xlim(low / 2, high * 2)
    else:
        margin = 0.25 * ((high - low) or abs(high) or 1.0)
        panel.set_xlim(low - margin, high + margin)
        panel.xaxis.set_major_locator(MaxNLocator(6))
