"""Which parameters matter for a metric: bars of fANOVA shares, with what the forests disagree about."""

from __future__ import annotations

from matplotlib.figure import Figure

from sweeper.analysis.frames import cell_value
from sweeper.analysis.importance import ENOUGH, FEWEST, FORESTS, importances
from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable


def draw(context: FigureContext, metric: str) -> Figure:
    """The plot. Raises NotApplicable for fewer than two parameters, or too few configurations with a result."""
    if len(context.varied) < 2:
        raise NotApplicable(f"needs two parameters that vary, the sweep has {len(context.varied)}")
    first = context.done.dropna(subset=[metric]).drop_duplicates("config")
    means = context.done.groupby("config")[metric].mean()
    if len(first) < FEWEST:
        raise NotApplicable(f"needs {FEWEST} configurations with a result, there are {len(first)}")
    if means[first.config].nunique() < 2:
        raise NotApplicable(f"{metric} is the same everywhere")
    points = [{str(n): cell_value(v) for n, v in row.items()} for row in first[context.varied].to_dict("records")]
    log = {name: context.axis(name).log for name in context.varied}
    rows = importances(points, [float(means[config]) for config in first.config], log)
    notes = [
        f"fANOVA: the share of the variance between configurations that a parameter explains alone, the rest lies "
        f"in their interplay. Bars are the mean of {FORESTS} forests, lines their range; n={len(first)} configurations."
    ]
    if len(first) < ENOUGH * len(rows):
        notes.append(f"Few: {ENOUGH * len(rows)} configurations or more would make these shares dependable.")
    figure = style.new_figure(context, f"What {metric} depends on", *notes, height=0.8 + 0.34 * len(rows))
    panel = figure.subplots()
    means_of = [row.mean for row in rows]
    errors = [[row.mean - row.low for row in rows], [row.high - row.mean for row in rows]]
    panel.barh(range(len(rows)), means_of, xerr=errors, color=style.BLUE, height=0.6, error_kw={"linewidth": 1.0})
    panel.set_yticks(range(len(rows)), [style.wrapped(row.parameter, 40) for row in rows])
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_xlim(0, 1)
    panel.set_xlabel("share of variance")
    panel.grid(visible=False, axis="y")
    return figure
