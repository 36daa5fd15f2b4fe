"""How a metric moved during training: the median over the seeds of a configuration, and the band they fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable
from sweeper.trial import State, reported
from sweeper.value_text import plural

COLORED = 12  # the colours twice, the second time dashed
FEW = 5  # seeds; below that each has its own thin line, and the band is all of them


@dataclass(frozen=True, slots=True)
class SeedCurves:
    """One configuration: the metric of its seeds by step (a column per trial), and where the seeds that diverged end.

    `median` is over the seeds, as long as at least half of them go on.
    """

    config: str
    label: str
    seeds: pd.DataFrame
    median: pd.Series
    ends: list[tuple[float, float]]

    @property
    def name(self) -> str:
        """The configuration with the number of its seeds: all that reported, not only those that completed."""
        return f"{self.label}  ({plural(self.seeds.shape[1], 'seed')})"

    def band(self) -> tuple[pd.Series, pd.Series]:
        """From the least to the greatest of few seeds, the middle half of more."""
        rows = self.seeds.loc[self.median.index]
        if self.seeds.shape[1] < FEW:
            return rows.min(axis=1), rows.max(axis=1)
        return rows.quantile(0.25, axis=1), rows.quantile(0.75, axis=1)


def seed_curves(context: FigureContext, metric: str) -> list[SeedCurves]:
    """The curves of every configuration that reported the metric, the best first where it is known what that is.

    Raises NotApplicable where no trial reported the metric twice.
    """
    rows = pd.DataFrame(
        [
            (record.trial.config, record.trial.key, report.step, value)
            for record in context.results.records
            for report in record.reports
            if (value := reported(report.metrics, metric)) is not None
        ],
        columns=["config", "trial", "step", "value"],
    )
    if rows.step.nunique() < 2:
        raise NotApplicable(f"{metric} was reported at fewer than two steps")
    tables = rows.pivot_table(index="step", columns=["config", "trial"], values="value", sort=True)
    states = context.trials.set_index("trial").state
    lost = set(states.index[states.isin([State.DIVERGED, State.FAILED, State.STOPPED])])
    groups = tables.T.groupby(level="config")
    medians, counts, sizes = groups.median().T, groups.count().T.to_numpy(), groups.size()
    found, first = {}, 0
    for number, (config, size) in enumerate(zip(map(str, sizes.index), sizes.tolist(), strict=True)):
        # By position: a look-up by name takes milliseconds.
        table = tables.iloc[:, first : first + size].droplevel("config", axis=1)
        median = medians.iloc[:, number][counts[:, number] >= max(1.0, size / 2)]
        ends = [_end(table[trial].dropna()) for trial in table.columns if trial in lost]
        found[config] = SeedCurves(config, context.config_label(config), table, median, ends)
        first += size
    return [found[config] for config in context.ranked(metric)[0] if config in found]


def _end(curve: pd.Series) -> tuple[float, float]:
    return float(curve.index.to_numpy()[-1]), float(curve.iloc[-1])


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot: up to twelve configurations in colour, the others grey behind them."""
    all_of_them = seed_curves(context, metric)
    seeds = max(curve.seeds.shape[1] for curve in all_of_them)
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
    if curve.seeds.shape[1] < FEW:
        for trial in curve.seeds:
            seed = curve.seeds[trial].dropna()
            panel.plot(seed.index, seed, color=color, linewidth=0.5, alpha=0.6)
    panel.plot(median.index, median, color=color, linestyle=dashes, linewidth=1.6, label=curve.name)
    for end in curve.ends:
        panel.plot(*end, "x", color=color, markersize=6)
