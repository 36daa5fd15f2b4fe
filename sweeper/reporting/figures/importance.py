"""How much each parameter matters to a metric."""

from __future__ import annotations

from matplotlib.figure import Figure

from sweeper.analysis.frames import cell_value
from sweeper.analysis.importance import ENOUGH, FEWEST, Method, importances
from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable

CAPTIONS = {
    Method.ANOVA: "The exact share of the variance between configurations that a parameter explains alone: the grid is "
    "complete. The rest, {rest:.0%}, lies in their interplay.",
    Method.PED_ANOVA: "PED-ANOVA: how much a parameter decides whether a configuration is among the best {top:.0%}, "
    "shares sum to 1. Lines are the range over {repeats} resamples of the configurations.",
    Method.FANOVA: "fANOVA: the share of the variance between configurations that a parameter explains alone, the rest "
    "lies in their interplay. Lines are the range of {repeats} forests.",
}


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
    values = [float(means[config]) for config in first.config]
    found = importances(points, values, log, context.maximize(metric))
    rows = found.rows
    rest = max(0.0, 1 - sum(row.mean for row in rows))
    caption = CAPTIONS[found.method].format(rest=rest, top=found.top, repeats=found.repeats)
    each = f"{found.count} for each forest, " if found.method is Method.FANOVA else f"{found.count}, "
    count = f"{each}drawn from {len(first)}" if found.count < len(first) else len(first)
    notes = [f"{caption} n={count} configurations."]
    if found.method is not Method.ANOVA and len(first) < ENOUGH * len(rows):
        notes.append(f"Few: {ENOUGH * len(rows)} configurations or more would make these shares dependable.")
    title = f"What {context.text(metric)} depends on"
    figure = style.new_figure(context, title, *notes, height=0.8 + 0.34 * len(rows))
    panel = figure.subplots()
    errors = [[row.mean - row.low for row in rows], [row.high - row.mean for row in rows]]
    panel.barh(range(len(rows)), [row.mean for row in rows], color=style.BLUE, height=0.6)
    if found.method is not Method.ANOVA:
        panel.errorbar([row.mean for row in rows], range(len(rows)), xerr=errors, fmt="none", ecolor="black")
    for at, row in enumerate(rows):
        panel.text(row.high + 0.01, at, f"{row.mean:.2f}", va="center", fontsize=8)
    names = [style.wrapped(context.text(row.parameter), 30) for row in rows]
    panel.set_yticks(range(len(rows)), names)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_xlim(0, 1.08)
    panel.set_xlabel("share")
    panel.grid(visible=False, axis="y")
    return figure
