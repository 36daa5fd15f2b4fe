"""When each trial was trained, and on which device."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sweeper.reporting.figures import style
from sweeper.reporting.figures.context import FigureContext, NotApplicable
from sweeper.trial import Ended, State

UNITS = (("h", 3600), ("min", 60), ("s", 1))
COLORS = {
    State.COMPLETED: style.BLUE,
    State.PRUNED: style.COLORS[5],
    State.DIVERGED: style.COLORS[4],
    State.FAILED: style.ORANGE,
    State.STOPPED: style.GREY,
}


@dataclass(frozen=True, slots=True)
class Lane:
    """Trials that one device trained one after the other: (begin, seconds, state), in seconds since the first began."""

    device: str
    bars: list[tuple[float, float, State]]


def lanes(ends: Sequence[Ended]) -> list[Lane]:
    """As many lanes per device as it trained trials at the same time."""
    began = min(end.at - end.wall_s for end in ends)
    found: list[Lane] = []
    for device in sorted({(end.host, end.device) for end in ends}):
        here = sorted(((e.at - e.wall_s - began, e) for e in ends if (e.host, e.device) == device), key=lambda p: p[0])
        free: list[tuple[float, int]] = []  # until when a lane of the device is taken
        own: list[Lane] = []
        for start, end in here:
            if free and free[0][0] <= start + 1e-3:
                number = heapq.heappop(free)[1]
            else:
                number = len(own)
                own.append(Lane(device[1] or device[0], []))
            own[number].bars.append((start, end.wall_s, end.state))
            heapq.heappush(free, (start + end.wall_s, number))
        found += own
    return found


def draw(context: FigureContext) -> Figure:
    """The plot. Raises NotApplicable where no trial of the sweep was trained here."""
    ends = [record.ended for record in context.results.records if record.ended and not record.ended.origin]
    if not ends:
        raise NotApplicable("no trial of this sweep has ended, those taken over from others aside")
    rows = lanes(ends)
    spans = max(start + seconds for lane in rows for start, seconds, _ in lane.bars)
    unit, size = next((word, size) for word, size in UNITS if spans >= 2 * size or size == 1)
    notes = [
        "A bar is as long as its trial trained, and ends when that did; trials at the same time have rows of their own."
    ]
    figure = style.new_figure(context, "When trials were trained", *notes, height=min(1.2 + 0.16 * len(rows), 7.5))
    panel = figure.subplots()
    corners: dict[State, list[Any]] = {}
    for row, lane in enumerate(rows):
        for start, seconds, state in lane.bars:
            left, right, low, high = start / size, (start + seconds) / size, row - 0.4, row + 0.4
            corners.setdefault(state, []).append([(left, low), (left, high), (right, high), (right, low)])
    for state, bars in corners.items():  # one collection per state: one per lane takes 2.5 ms for each of thousands
        look: Any = {"facecolor": COLORS.get(state, style.GREY), "edgecolor": "white", "linewidth": 0.2}
        panel.add_collection(PolyCollection(bars, **look))
    panel.autoscale_view()
    first = {lane.device: row for row, lane in reversed(list(enumerate(rows)))}
    panel.set_yticks(list(first.values()), list(first))
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_xlabel(f"{unit} since the first trial began")
    states = [state for state in COLORS if any(one is state for lane in rows for _, _, one in lane.bars)]
    handles = [Patch(color=COLORS[state], label=state) for state in states]
    panel.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(states), borderaxespad=0)
    panel.grid(visible=False, axis="y")
    return figure
