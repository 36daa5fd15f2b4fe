"""The readings of benchmarks as Markdown: a table for each kind of row, a column for each contender."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from readings import FAILED, OURS, SAID, Goal, Reading, Row, medians

NONE = "–"


def markdown(rows: Sequence[Row], readings: Sequence[Reading]) -> str:
    """All tables, each with a heading."""
    parts = []
    for title in dict.fromkeys(row.table for row in rows):
        chosen = [row for row in rows if row.table == title]
        names = {row.name for row in chosen}
        of_table = [reading for reading in readings if reading.row in names]
        if of_table:
            parts.append(f"### {title}\n\n{_table(chosen, of_table)}")
    return "\n".join(parts)


def line(row: Row, readings: Sequence[Reading]) -> list[str]:
    """A row for the screen, one text a measure."""
    texts = []
    for measure, of in _by_measure(readings):
        cells = ", ".join(f"{name} {text}" for name, text in _cells(of).items())
        goal, verdict = _judged(row.goals_of(measure), of)
        texts.append("; ".join(filter(None, [measure, cells, f"goal {goal}: {verdict}" if verdict else ""])))
    return texts


def _table(rows: Sequence[Row], readings: Sequence[Reading]) -> str:
    contenders = list(dict.fromkeys(reading.contender for reading in readings if reading.unit not in (FAILED, SAID)))
    judged = any(row.goals for row in rows)
    lines = [["measure", *contenders] + ["goal", "verdict"] * judged]
    lines.append(["---", *["---:"] * len(contenders)] + ["---", "---"] * judged)
    for row in rows:
        for measure, of in _by_measure(reading for reading in readings if reading.row == row.name):
            cells = _cells(of)
            found = [cells.get(name, NONE) for name in contenders]
            lines.append([_named(measure, of), *found, *_judged(row.goals_of(measure), of)[: 2 * judged]])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _by_measure(readings: Iterable[Reading]) -> list[tuple[str, list[Reading]]]:
    in_order = list(readings)
    order = list(dict.fromkeys(reading.measure for reading in in_order))
    in_order.sort(key=lambda reading: order.index(reading.measure))
    return [(measure, list(of)) for measure, of in groupby(in_order, key=lambda reading: reading.measure)]


def _named(measure: str, readings: Sequence[Reading]) -> str:
    return f"{measure} (--quick)" if any(reading.quick for reading in readings) else measure


def _cells(readings: Sequence[Reading]) -> dict[str, str]:
    """The medians, and after those of rivals how many times ours they are."""
    found = medians(readings)
    unit = readings[0].unit
    if unit in (FAILED, SAID):
        return {OURS: unit} if unit == FAILED else {}  # the measure says it all
    ours = found.get(OURS)
    cells = {}
    for name, value in found.items():
        ratio = f" ({value / ours:.2g}x)" if ours and not name.startswith(OURS) and unit == "s" else ""
        cells[name] = shown(value, unit) + ratio
    return cells


def shown(value: float, unit: str) -> str:
    """Three digits and the unit; a share in per cent."""
    if unit == "%":
        return f"{100 * value:.3g} %"
    digits = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def _judged(goals: Sequence[Goal], readings: Sequence[Reading]) -> tuple[str, str]:
    """The goals in words, and what became of them."""
    text = ", ".join(goal.text for goal in goals)
    if readings[0].unit in (FAILED, SAID):
        return text, readings[0].unit if readings[0].unit == FAILED else ""
    if not goals:
        return "shown", ""
    found, missed = medians(readings), []
    for goal in goals:
        try:
            why = goal.missed(found)
        except (KeyError, ValueError):
            why = "not measured"
        if why:
            missed.append(f"{goal.text}: {why}" if len(goals) > 1 else why)
    return text, f"**missed** ({'; '.join(missed)})" if missed else "met"


def conditions(machine: Mapping[str, Any], readings: Sequence[Reading]) -> str:
    """A sentence on where and when, for below the tables."""
    loads, dates = [reading.load for reading in readings], [reading.date for reading in readings]
    commits = ", ".join(dict.fromkeys(reading.commit for reading in readings))
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    gpus = f", {', '.join(machine['gpus'])}" if machine["gpus"] else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB{gpus}; "
        f"Python {machine['python']}, {packages}. Medians; in brackets times ours. {min(dates)} to {max(dates)} UTC, "
        f"commit {commits}; load before a row {min(loads):.2g} to {max(loads):.2g}."
    )
