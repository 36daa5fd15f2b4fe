"""How plots look and are written: for print and for every kind of sight, the same bytes each time."""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

from sweeper.value_text import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sweeper.reporting.figures.context import FigureAxis, FigureContext

# Okabe and Ito, Color Universal Design (2008), without the yellow that vanishes on white paper.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, ORANGE, GREY = COLORS[0], COLORS[1], "#8a8a8a"
MAP = "viridis"
WIDTH = 7.0  # inches: a page without its margins
_FOOT = 0.17  # inches a line below the plot
_LOOK: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # TrueType, which journals ask for
    "svg.hashsalt": "sweeper",  # the same ids in every SVG of the same plot
    "text.parse_math": False,  # a dollar in a name is a dollar
}


@contextmanager
def look() -> Iterator[None]:
    """The style, for as long as a plot is drawn and written."""
    with matplotlib.rc_context(_LOOK), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a script the font lacks is shown as boxes
        yield


def new_figure(context: FigureContext, title: str, *notes: str, height: float, width: float = WIDTH) -> Figure:
    """An empty plot in inches: a title, and below it what the trials are and the notes, in grey."""
    wide = round(width * 17)
    foot = [
        line for note in (f"{context.results.name}: {context.counts()}.", *notes) for line in textwrap.wrap(note, wide)
    ]
    below = _FOOT * len(foot) + 0.05
    layout = ConstrainedLayoutEngine(rect=(0, below / (height + below), 1, height / (height + below)))
    figure = Figure(figsize=(width, height + below), layout=layout)
    figure.suptitle(
        "\n".join(textwrap.wrap(title, round(width * 12))), x=0.01, ha="left", fontsize=11, fontweight="bold"
    )
    figure.text(
        0.01, 0.04 / (height + below), "\n".join(foot), fontsize=7.5, color="#555555", va="bottom", linespacing=1.3
    )
    return figure


def scale(axes: Axes, axis: FigureAxis, which: str, width: int = 46) -> None:
    """Ticks and label of a parameter: its levels in words, or numbers on a linear or logarithmic scale."""
    side = axes.xaxis if which == "x" else axes.yaxis
    set_label = axes.set_xlabel if which == "x" else axes.set_ylabel
    set_label(wrapped(axis.label, width))
    levels = axis.levels
    if levels is not None:
        side.set_major_locator(FixedLocator(range(len(levels))))
        side.set_ticklabels([textwrap.shorten(show(level), 16, placeholder="...") for level in levels])
        if which == "x" and is_crowded(axis, width):
            side.set_tick_params(rotation=90)
    elif axis.log:
        logarithmic(axes, which, ticks=max(3, width // 9))


def is_crowded(axis: FigureAxis, width: int) -> bool:
    """Whether its levels would not stand next to each other, so that they are turned."""
    return sum(len(show(level)[:16]) for level in axis.levels or ()) > width


def is_wide(values: pd.Series) -> bool:
    """Whether values are all positive and span more than three decades: a linear axis would show only the largest."""
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and bool(finite.min() > 0) and bool(finite.max() / finite.min() > 1e3)


def logarithmic(axes: Axes, which: str, ticks: int = 8) -> None:
    """A logarithmic axis whose ticks are plain numbers."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    side = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    side.set_major_locator(_log_locator(low, high, ticks))
    side.set_minor_locator(NullLocator())
    side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _log_locator(low: float, high: float, ticks: int) -> Locator:
    """Decades; where fewer than two are in sight, round numbers between: LogLocator has one tick then, or too many."""
    if high / max(low, 1e-300) < 10:
        return MaxNLocator(min(ticks, 4))
    decades = math.floor(math.log10(high)) - math.ceil(math.log10(max(low, 1e-300))) + 1
    between = (1.0, 2.0, 5.0) if ticks > 4 else (1.0, 3.0)
    return LogLocator(numticks=ticks, subs=between if decades < 2 else (1.0,))


def colorbar(figure: Figure, colors: ScalarMappable, panels: Any, label: str) -> None:
    """The colour bar of some panels, its ticks plain numbers."""
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    figure.colorbar(colors, ax=panels, label=label, shrink=0.8, pad=0.02, format=plain)


def png(figure: Figure, dots_per_inch: int) -> bytes:
    """The plot as PNG."""
    figure.set_dpi(dots_per_inch)
    return _saved(figure, FigureCanvasAgg(figure).print_png, {"Software": None})


def svg(figure: Figure) -> bytes:
    """The plot as SVG, its text drawn: it looks the same everywhere."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    return _saved(figure, FigureCanvasSVG(figure).print_svg, {"Date": None, "Creator": None})


def pdf(figure: Figure) -> bytes:
    """The plot as PDF, its fonts embedded, without a date."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf  # fonts take 0.2 s to import

    return _saved(figure, FigureCanvasPdf(figure).print_pdf, {"CreationDate": None, "Creator": None, "Producer": None})


def _saved(figure: Figure, written: Callable[..., object], metadata: dict[str, str | None]) -> bytes:
    """Drawn once for the layout and once into the file, where `Figure.savefig` lays out a second time."""
    _lay_out(figure)
    buffer = io.BytesIO()
    written(buffer, metadata=metadata)
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place the axes once, on positions of six digits: the last digits of the solver's differ from run to run."""
    engine = figure.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine):
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, below, width, height = (round(float(at), 6) for at in axes.get_position(original=True).bounds)
        axes.set_position((left, below, width, height))


def ink(red: float, green: float, blue: float) -> str:
    """Black or white, whichever reads better on a colour with parts in [0, 1] (relative luminance, WCAG 2)."""
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return "white" if 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] < 0.179 else "black"


def wrapped(text: str, width: int) -> str:
    """Words on lines of at most `width` characters, as far as spaces, dots and underscores allow."""
    lines = [""]
    for part in re.findall(r"(?:[^\s._]|\.(?=\d))*[\s._]*", text):
        if lines[-1] and part and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)
