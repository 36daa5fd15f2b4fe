"""Interactive plots, as HTML pages that need no network: hover, zoom, pick ranges (the only plotly)."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext
from sweeper.reporting.figures.curves import COLORED, seed_curves
from sweeper.reporting.figures.parallel import ParallelAxis, parallel_axes
from sweeper.reporting.figures.pareto import notes_on, pareto_data

MAX_CURVES = 60  # curves of one page: more make it slow


def page(figure: go.Figure) -> bytes:
    """The plot as one file of about 5 MB: plotly itself is in it."""
    text: str = figure.to_html(include_plotlyjs=True, full_html=True, div_id="plot", config={"responsive": True})
    return text.encode()


def parallel(context: FigureContext) -> go.Figure:
    """Drag along an axis to pick a range, drag its name to move it."""
    found = parallel_axes(context)
    first = next(axis for axis in found if axis.name == context.shown[0])
    colors = [first.height(value) for value in first.values]
    bar = {"title": _text(first.label), "tickvals": [0, 1], "ticktext": [f"{v:.3g}" for v in first.span]}
    line = {"color": colors, "colorscale": style.MAP, "showscale": True, "colorbar": bar}
    hidden = {"color": "rgba(0,0,0,0)"}  # the ends of a range, which plotly writes as the numbers that we gave it
    dimensions = [_dimension(axis) for axis in found]
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line=line, labelangle=-10, rangefont=hidden))
    return _titled(figure, context, "Configurations side by side", "Drag along an axis to pick a range.")


def _dimension(axis: ParallelAxis) -> dict[str, Any]:
    """Levels in words; a logarithmic axis as decades, which plotly has no axis for here."""
    if axis.is_levels:
        ticks = {"tickvals": [at for at, _ in axis.ticks], "ticktext": [_text(text) for _, text in axis.ticks]}
        return {"label": _text(axis.label), "values": list(axis.values), **ticks}
    if axis.log:
        logs = np.log10(axis.values.to_numpy(float))
        decades = list(range(math.floor(logs.min()), math.ceil(logs.max()) + 1))
        labels = [f"{10.0**decade:g}" for decade in decades]
        return {"label": _text(axis.label), "values": list(logs), "tickvals": decades, "ticktext": labels}
    return {"label": _text(axis.label), "values": list(axis.values)}


def pareto(context: FigureContext) -> go.Figure:
    """Hover shows the configuration."""
    found = pareto_data(context)
    figure = go.Figure()
    parts = [
        ("dominated", found.means[~found.means.front], "circle-open", style.BLUE),
        ("on the front", found.front, "circle", style.ORANGE),
    ]
    for name, part, symbol, color in parts:
        hover = [_text(f"{context.config_label(str(config))}  n={n}") for config, n in part.n.items()]
        marker = {"symbol": symbol, "size": 10, "color": color}
        figure.add_scatter(x=list(part.x), y=list(part.y), mode="markers", name=name, text=hover, marker=marker)
    figure.update_xaxes(title=_text(context.label(found.names[0])))
    figure.update_yaxes(title=_text(context.label(found.names[1])))
    return _titled(figure, context, " against ".join(map(context.text, found.names)), *notes_on(found))


def curves(context: FigureContext, metric: str) -> go.Figure:
    """A click in the legend shows or hides a configuration; those beyond the first twelve start hidden."""
    found = seed_curves(context, metric)
    figure = go.Figure()
    for number, curve in enumerate(found[:MAX_CURVES]):
        line = {"color": style.COLORS[number % len(style.COLORS)]}
        median, (low, high) = curve.median, curve.band()
        shared = {"legendgroup": curve.config, "visible": True if number < COLORED else "legendonly"}
        around = {"x": [*low.index, *reversed(low.index)], "y": [*low, *reversed(list(high))], "fill": "toself"}
        figure.add_scatter(
            **around, **shared, fillcolor=line["color"], opacity=0.15, mode="none", showlegend=False, hoverinfo="skip"
        )
        name = _text(f"{curve.label} (n={curve.seeds.shape[1]})")
        figure.add_scatter(x=list(median.index), y=list(median), mode="lines", name=name, line=line, **shared)
    figure.update_layout(legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(title="step")
    figure.update_yaxes(title=_text(context.text(metric)))
    notes = ["Medians over the seeds; a click in the legend shows or hides."]
    if len(found) > MAX_CURVES:
        notes.append(f"The first {MAX_CURVES} of {len(found)} configurations, {context.ranked(metric)[1]}.")
    return _titled(figure, context, context.label(metric), *notes)


def _titled(figure: go.Figure, context: FigureContext, title: str, *notes: str) -> go.Figure:
    below = "<br>".join(_text(line) for line in (f"{context.results.name}: {context.counts()}.", *notes))
    figure.update_layout(
        template="simple_white", title={"text": _text(title), "subtitle": {"text": below}}, margin={"t": 170}
    )
    return figure


def _text(text: str) -> str:
    """Plotly reads some HTML in its texts: a user's words are only words."""
    return html.escape(text)
