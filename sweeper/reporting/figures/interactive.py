"""Interactive plots, as HTML pages that need no network: hover, zoom, pick ranges (the only plotly)."""

from __future__ import annotations

import html
import math
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext
from sweeper.reporting.figures.curves import COLORED
from sweeper.reporting.figures.curves import seed_curves as curves_of
from sweeper.reporting.figures.parallel import ParallelAxis, parallel_axes, wobble
from sweeper.reporting.figures.pareto import notes_on, pareto_data
from sweeper.reporting.figures.seed_curves import COLUMNS, panels_of

CROSS = {"symbol": "x-thin", "size": 8, "line": {"color": "black", "width": 1.5}}
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
    """The ticks of the PNG, and the ends of the axis, which plotly draws from the first tick to the last one.

    It has no logarithmic axis here: the logarithms are put in.
    """
    place = math.log10 if axis.log else float
    ticks = {place(at): "" for at in axis.span} | {place(at): _text(text) for at, text in axis.ticks}
    values = [place(value) for value in axis.values]
    if axis.is_levels:
        values = list(values + wobble((len(values),)) * (max(values) - min(values)))
    named = {"tickvals": list(ticks), "ticktext": list(ticks.values())}
    return {"label": _text(axis.label), "values": values, **named}


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
    found = curves_of(context, metric)
    figure = go.Figure()
    for number, curve in enumerate(found[:MAX_CURVES]):
        dash = "dash" if number // len(style.COLORS) % 2 else "solid"
        line = {"color": style.COLORS[number % len(style.COLORS)], "dash": dash}
        median, (low, high) = curve.median, curve.band()
        shared = {"legendgroup": curve.config, "visible": True if number < COLORED else "legendonly"}
        around = {"x": [*low.index, *reversed(low.index)], "y": [*low, *reversed(list(high))], "fill": "toself"}
        figure.add_scatter(
            **around, **shared, fillcolor=line["color"], opacity=0.15, mode="none", showlegend=False, hoverinfo="skip"
        )
        figure.add_scatter(
            x=list(median.index), y=list(median), mode="lines", name=_lines(curve.label, 48), line=line, **shared
        )
    figure.update_xaxes(title="step")
    figure.update_yaxes(title=_text(context.text(metric)))
    notes = ["Medians over the seeds; a click in the legend shows or hides."]
    if len(found) > MAX_CURVES:
        notes.append(f"The first {MAX_CURVES} of {len(found)} configurations, {context.ranked(metric)[1]}.")
    return _titled(figure, context, context.label(metric), *notes)


def seed_curves(context: FigureContext, metric: str) -> go.Figure:
    """Hover shows the seed; zooming into one panel zooms into all."""
    found, notes = panels_of(context, metric)
    columns = min(COLUMNS, len(found))
    lines = math.ceil(len(found) / columns)
    titles = [_lines(curve.label, 130 // columns) for curve in found]
    gap = 0.35 / lines if lines > 1 else 0.0
    figure = make_subplots(
        lines, columns, shared_xaxes="all", shared_yaxes="all", subplot_titles=titles, vertical_spacing=gap
    )
    number_of = dict(zip(context.trials.trial, context.trials.seed, strict=True))
    for at, curve in enumerate(found):
        place = {"row": at // columns + 1, "col": at % columns + 1, "showlegend": False}
        for trial in curve.seeds:
            seed, look = curve.seeds[trial].dropna(), {"color": style.BLUE, "width": 1}
            name = f"seed {number_of[trial]}"
            figure.add_scatter(
                x=list(seed.index), y=list(seed), name=name, opacity=0.6, mode="lines", line=look, **place
            )
        look = {"color": style.ORANGE, "width": 2}
        x, y = list(curve.median.index), list(curve.median)
        figure.add_scatter(x=x, y=y, name="median", mode="lines", line=look, **place)
        x, y = ([end[i] for end in curve.ends] for i in (0, 1))
        figure.add_scatter(x=x, y=y, name="the end", mode="markers", marker=CROSS, **place)
    figure.update_annotations(font_size=11)
    figure.update_layout(height=240 + 190 * lines)
    figure.update_xaxes(title="step", row=lines)
    figure.update_yaxes(title=_text(context.text(metric)), col=1)
    _titled(figure, context, context.label(metric), *notes)
    return figure.update_layout(margin={"t": figure.layout.margin.t + 14 * max(t.count("<br>") for t in titles)})


def _titled(figure: go.Figure, context: FigureContext, title: str, *notes: str) -> go.Figure:
    below = [_text(line) for line in (f"{context.results.name}: {context.counts()}.", *notes)]
    top: dict[str, Any] = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 24}}
    figure.update_layout(
        template="simple_white",
        title={"text": _text(title), "subtitle": {"text": "<br>".join(below)}, **top},
        margin={"t": 90 + 17 * len(below)},
    )
    return figure


def _lines(text: str, width: int) -> str:
    """Text on lines of at most so many characters."""
    return _text(style.wrapped(text, width)).replace("\n", "<br>")


def _text(text: str) -> str:
    """Plotly reads some HTML in its texts: a user's words are only words."""
    return html.escape(text)
