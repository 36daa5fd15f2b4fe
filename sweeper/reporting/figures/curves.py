"""How a metric moved during training: the median over the seeds of a configuration, and the band they fill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import LARGEST, FigureContext, NotApplicable
from sweeper.trial import State, reported
from sweeper.value_text import plural

COLORED = 12  # the colours twice, the second time dashed
FEW = 5  # seeds; below that each has its own thin line, and the band is all of them


@dataclass(frozen=True, eq=False)
class SeedCurves:
    """One configuration: the metric of its `count` seeds, and the median over them by step, while half of them go on.

    `reports` are those of all configurations (trial, step, value), `rows` those of this one, and `lost` are the trials
    that diverged, failed or were stopped.
    """

    config: str
    label: str
    count: int
    median: pd.Series
    reports: pd.DataFrame
    rows: slice
    lost: frozenset[str]

    @property
    def name(self) -> str:
        """The configuration with the number of its seeds: all that reported, not only those that completed."""
        return f"{self.label}  ({plural(self.count, 'seed')})"

    @cached_property
    def seeds(self) -> pd.DataFrame:
        """The metric by step, a column per trial."""
        return self.reports.iloc[self.rows].pivot(index="step", columns="trial", values="value")

    @property
    def ends(self) -> list[tuple[float, float]]:
        """Step and value where the seeds that diverged, failed or were stopped end."""
        own = self.reports.iloc[self.rows]
        lasts = own[own.trial.isin(self.lost)].groupby("trial").last()
        return [(float(step), float(value)) for step, value in zip(lasts.step, lasts.value, strict=True)]

    def band(self) -> tuple[pd.Series, pd.Series]:
        """From the least to the greatest of few seeds, the middle half of more."""
        rows = self.seeds.loc[self.median.index]
        if self.count < FEW:
            return rows.min(axis=1), rows.max(axis=1)
        return rows.quantile(0.25, axis=1), rows.quantile(0.75, axis=1)


def seed_curves(context: FigureContext, metric: str) -> list[SeedCurves]:
    """The curves of every configuration that reported the metric, the best first where it is known what that is.

    They are grouped once for all plots of a context. Raises NotApplicable where no trial reported the metric twice.
    """
    known: dict[str, list[SeedCurves]] = context.grouped_curves
    if metric not in known:
        known[metric] = _grouped(context, metric)
    return known[metric]


def _grouped(context: FigureContext, metric: str) -> list[SeedCurves]:
    rows = pd.DataFrame(
        [
            (record.trial.config, record.trial.key, report.step, value)
            for record in context.results.records
            for report in record.reports
            if (value := reported(report.metrics, metric)) is not None and abs(value) <= LARGEST
        ],
        columns=["config", "trial", "step", "value"],
    )
    if rows.step.nunique() < 2:
        raise NotApplicable(f"{metric} was reported at fewer than two steps")
    rows = rows.dropna().groupby(["config", "trial", "step"], as_index=False).mean()  # sorted, one value for each step
    by_step = rows.groupby(["config", "step"]).value.agg(["median", "count"]).reset_index(level="config")
    counts = rows.groupby("config").trial.nunique()
    states = context.trials.set_index("trial").state
    lost = frozenset(states.index[states.isin([State.DIVERGED, State.FAILED, State.STOPPED])])
    by_step = by_step[by_step["count"] >= by_step.config.map(counts) / 2]
    medians, steps_of, rows_of = by_step["median"], _slices(by_step.config), _slices(rows.config)
    return [
        SeedCurves(
            config,
            context.config_label(config),
            int(counts[config]),
            medians.iloc[steps_of[config]],
            rows,
            rows_of[config],
            lost,
        )
        for config in context.ranked(metric)[0]
        if config in rows_of
    ]


def _slices(configs: pd.Series) -> dict[str, slice]:
    """Where the rows of each configuration are, which lie next to each other."""
    sizes = configs.value_counts(sort=False)
    ends = sizes.cumsum()
    return {
        str(config): slice(end - size, end)
        for config, size, end in zip(sizes.index, sizes.tolist(), ends.tolist(), strict=True)
    }


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot: up to twelve configurations in colour, the others grey behind them."""
    all_of_them = seed_curves(context, metric)
    seeds = max(curve.count for curve in all_of_them)
    band = "from the least to the greatest seed" if seeds < FEW else "the middle half of the seeds"
    notes = [f"Lines are medians over the seeds, bands {band}; crosses are where a trial diverged or failed."]
    if len(all_of_them) > COLORED:
        notes.append(f"In colour: the first {COLORED} of {len(all_of_them)}, {context.ranked(metric)[1]}.")
    shown = all_of_them[:COLORED]
    figure = style.new_figure(context, context.label(metric), *notes, height=3.4 + 0.17 * len(shown))
    panel = figure.subplots()
    others = [np.column_stack([curve.median.index, curve.median]) for curve in all_of_them[COLORED:]]
    panel.add_collection(LineCollection(others, colors=style.GREY, linewidths=0.5, alpha=0.5, zorder=1))
    for number, curve in enumerate(shown):
        _line(panel, curve, number)
    panel.set_xlabel("step")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_ylabel(context.text(metric))
    if style.is_wide(pd.concat([curve.median for curve in all_of_them])):
        style.logarithmic(panel, "y")
    panel.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.17), borderaxespad=0)
    return figure


def _line(panel: Axes, curve: SeedCurves, number: int) -> None:
    color, dashes = style.COLORS[number % len(style.COLORS)], "-" if number < len(style.COLORS) else "--"
    median, (low, high) = curve.median, curve.band()
    panel.fill_between(median.index.to_numpy(), low, high, color=color, alpha=0.13, linewidth=0)
    if curve.count < FEW:
        for trial in curve.seeds:
            seed = curve.seeds[trial].dropna()
            panel.plot(seed.index, seed, color=color, linewidth=0.5, alpha=0.6)
    panel.plot(median.index, median, color=color, linestyle=dashes, linewidth=1.6, label=curve.name)
    for end in curve.ends:
        panel.plot(*end, "x", color=color, markersize=6)
