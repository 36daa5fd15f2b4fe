"""Results in a notebook: the table with its plots, and any plot as a figure of matplotlib."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeper.analysis.sweep_results import SweepResults
from sweeper.errors import Problem, UsageError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = (("heatmap", "contour", "slice"), ("history",))  # below the table: of each group the first that makes sense
DOTS_PER_INCH = 100


@dataclass(frozen=True)
class NotebookResults(SweepResults):
    """The results of a sweep, drawn where they are the value of a cell."""

    def plot(self, kind: str, metric: str | None = None, *, x: str | None = None, y: str | None = None) -> Figure:
        """A plot as `sweeper plot` draws it: `results.plot("heatmap")`, by default of the first goal or headline.

        `x` and `y` are parameters, or combinations of some. Raises UsageError for an unknown kind or name, or where
        the plot makes no sense for this sweep.
        """
        from sweeper.reporting.figures import KINDS, FigureContext, NotApplicable, style

        if kind not in KINDS:
            raise UsageError(
                Problem("no such kind of plot", "", "kind", kind, ", ".join(KINDS), did_you_mean(kind, list(KINDS)))
            )
        context = FigureContext(self, ((metric, None),) if metric else (), x, y)
        context.check_metrics()
        try:
            if not context.shown:
                raise NotApplicable("no trial has reported a metric as its result")
            with style.look():
                return KINDS[kind].draw(context, *(context.shown[:1] if KINDS[kind].by_metric else ()))
        except NotApplicable as reason:
            raise UsageError(Problem(str(reason), self.name, kind)) from None

    def _repr_html_(self) -> str:
        """In a notebook: the name, the counts, the table of configurations, and two plots."""
        return super()._repr_html_() + "".join(self._image(kinds) for kinds in SHOWN)

    def _image(self, kinds: tuple[str, ...]) -> str:
        from sweeper.reporting.figures import style

        for kind in kinds:
            try:
                content = style.png(self.plot(kind), DOTS_PER_INCH)
            except UsageError:
                continue
            return f'<img alt="{kind}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'
        return ""
