"""Plots of a sweep: each kind is a function in the file of its name; this is the list of them.

matplotlib draws PNG, SVG and PDF, plotly the interactive pages. Everything is computed from the tables of
`sweeper export`: the same ledger gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sweeper.reporting.figures import (
    contour,
    curves,
    edf,
    heatmap,
    history,
    importance,
    parallel,
    pareto,
    seed_curves,
    seeds,
    slice,
    style,
    timeline,
)  # fmt: skip
from sweeper.reporting.figures.context import FigureContext, NotApplicable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "FigureContext", "FigureKind", "ImageFormat", "NotApplicable", "RenderedFigure", "draw"]


MANY, COARSE = 300, 130  # trials, and dots per inch of the plots of more


class ImageFormat(StrEnum):
    """The formats of a plot."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A kind of plot: of each metric (`by_metric`) or of all at once; `interactive`: it has an HTML page, too."""

    name: str
    draw: Callable[..., Figure]
    by_metric: bool
    interactive: bool = False


@dataclass(frozen=True, slots=True)
class RenderedFigure:
    """One plot: the stem of its file, what it is of, and its content in each form it has.

    `number` counts the metrics whose names differ only in what a file's name cannot have: `val/loss` and `val loss`.
    """

    kind: str
    metric: str
    content: Mapping[ImageFormat, bytes]
    number: int = 1

    @property
    def stem(self) -> str:
        number = f"-{self.number}" if self.number > 1 else ""
        return f"{self.kind}-{_plain(self.metric)}{number}" if self.metric else self.kind


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


KINDS: dict[str, FigureKind] = {
    kind.name: kind
    for kind in (
        FigureKind("heatmap", heatmap.draw, by_metric=True),
        FigureKind("contour", contour.draw, by_metric=True),
        FigureKind("seeds", seeds.draw, by_metric=True),
        FigureKind("slice", slice.draw, by_metric=True),
        FigureKind("curves", curves.draw, by_metric=True, interactive=True),
        FigureKind("seed-curves", seed_curves.draw, by_metric=True, interactive=True),
        FigureKind("history", history.draw, by_metric=True),
        FigureKind("edf", edf.draw, by_metric=True),
        FigureKind("importance", importance.draw, by_metric=True),
        FigureKind("pareto", pareto.draw, by_metric=False, interactive=True),
        FigureKind("parallel", parallel.draw, by_metric=False, interactive=True),
        FigureKind("timeline", timeline.draw, by_metric=False),
    )
}


def draw(
    kind: FigureKind, context: FigureContext, forms: set[ImageFormat], dots_per_inch: int = 200
) -> Iterator[RenderedFigure | NotApplicable]:
    """The plots of a kind, one by one; where one makes no sense, the reason in its place."""
    if not context.shown:
        yield NotApplicable("no trial has reported a metric as its result")
        return
    for metric in context.shown if kind.by_metric else [""]:
        try:
            content = _content(kind, context, metric, forms, dots_per_inch)
            alike = [name for name in sorted(context.results.metrics) if _plain(name) == _plain(metric)]
            yield RenderedFigure(kind.name, metric, content, alike.index(metric) + 1 if metric in alike else 1)
        except NotApplicable as reason:
            yield reason


def _content(
    kind: FigureKind, context: FigureContext, metric: str, forms: set[ImageFormat], dots_per_inch: int
) -> dict[ImageFormat, bytes]:
    arguments = (context, metric) if metric else (context,)
    absent = [name for name, _ in context.metrics if name not in context.trials]
    if absent:
        raise NotApplicable(f"no trial has reported {absent[0]} as its result")
    content: dict[ImageFormat, bytes] = {}
    if len(context.trials) > MANY:
        dots_per_inch = min(dots_per_inch, COARSE)  # so that the file stays below a megabyte
    if forms & {ImageFormat.PNG, ImageFormat.SVG, ImageFormat.PDF}:
        with style.look():
            figure = kind.draw(*arguments)
            if ImageFormat.PNG in forms:
                content[ImageFormat.PNG] = style.png(figure, dots_per_inch)
            if ImageFormat.SVG in forms:
                content[ImageFormat.SVG] = style.svg(figure)
            if ImageFormat.PDF in forms:
                content[ImageFormat.PDF] = style.pdf(figure)
    if ImageFormat.HTML in forms and kind.interactive:
        from sweeper.reporting.figures import interactive

        content[ImageFormat.HTML] = interactive.page(getattr(interactive, kind.name.replace("-", "_"))(*arguments))
    return content
