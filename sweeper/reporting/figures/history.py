"""How a metric came along over the sweep: every configuration when it was done, and the best until then."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable
from sweeper.trial import State


def finished(context: FigureContext, metric: str) -> pd.DataFrame:
    """A row per configuration with a value, in the order in which they were done: `value` and the `best` until then.

    Raises NotApplicable where it is not known what is better.
    """
    if (maximize := context.maximize(metric)) is None:
        raise NotApplicable(f"{metric} has no direction: give --metric {metric}:minimize or :maximize")
    ends = {record.trial.key: record.ended.at for record in context.results.records if record.ended}
    done = context.done.assign(at=context.done.trial.map(ends))
    done = done[np.isfinite(done[metric])]
    rows = done.groupby("config", sort=False).agg(value=(metric, "mean"), at=("at", "max"))
    if len(rows) < 2:
        raise NotApplicable(f"needs two configurations with a result, there are {len(rows)}")
    rows = rows.sort_values("at", kind="stable")
    best = rows["value"].cummax() if maximize else rows["value"].cummin()
    return pd.DataFrame({"number": range(1, len(rows) + 1), "value": rows["value"], "best": best})


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot. Raises NotApplicable where it is not known what is better, or too little is done."""
    rows = finished(context, metric)
    others = context.trials[context.trials.state.isin([State.PRUNED, State.DIVERGED, State.FAILED, State.STOPPED])]
    notes = ["A dot is a configuration (mean over its completed seeds), in the order in which they were done."]
    if len(others):
        notes.append(
            f"{others.config.nunique()} configurations lost a seed or all: pruned, diverged, failed or stopped."
        )
    figure = style.new_figure(context, context.label(metric), *notes, height=3.4)
    panel = figure.subplots()
    many = len(rows) >= 300
    size = 8 if many else 18
    panel.scatter(rows.number, rows.value, s=size, color=style.BLUE, alpha=0.6, linewidths=0, label="a configuration")
    panel.step(rows.number, rows.best, where="post", color=style.ORANGE, linewidth=1.6, label="the best until then")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_xlabel("configurations done")
    panel.set_ylabel(style.wrapped(context.text(metric), 30))
    if style.is_wide(rows.value):
        style.logarithmic(panel, "y")
    panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    return figure
