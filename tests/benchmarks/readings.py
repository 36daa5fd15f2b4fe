"""What a benchmark found, and what it should find: readings, goals, rows, and the file that keeps readings.

A row is a name, its goals and a function that yields (measure, contender, value) as they come. The file keeps the
readings of every row as it was last run, so that a part may be run again.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

OURS = "sweeper"
FAILED = "failed"  # the unit of a reading that says, in place of the measure, why there is none
SAID = "said"  # the same, where nothing went wrong: no GPU here


@dataclass(frozen=True)
class Found:
    """One measurement; readings of the same measure and contender are repetitions."""

    measure: str
    contender: str
    value: float
    unit: str = "s"


@dataclass(frozen=True)
class Reading:
    """A measurement with where it comes from."""

    row: str
    measure: str
    contender: str
    value: float
    unit: str
    quick: bool
    date: str
    commit: str
    load: float


@dataclass(frozen=True)
class AtMost:
    """Our figure is at most `limit`."""

    limit: float
    text: str

    def missed(self, medians: Mapping[str, float]) -> str:
        """Why the goal is missed; "" when it is met."""
        found = medians[OURS]
        return "" if found <= self.limit else f"{found / self.limit:.3g} times that"


@dataclass(frozen=True)
class AtLeast:
    """Our figure is at least `limit`."""

    limit: float
    text: str

    def missed(self, medians: Mapping[str, float]) -> str:
        found = medians[OURS]
        return "" if found >= self.limit else f"{found / self.limit:.0%} of that"


@dataclass(frozen=True)
class Faster:
    """A rival takes at least `times` as long as we do; without a rival the best of them."""

    times: float
    text: str
    rival: str = ""

    def missed(self, medians: Mapping[str, float]) -> str:
        rivals = {name: value for name, value in medians.items() if not name.startswith(OURS)}
        theirs = rivals[self.rival] if self.rival else min(rivals.values())
        found = theirs / medians[OURS]
        return "" if found >= self.times else f"{found:.3g} times as fast"


Goal = AtMost | AtLeast | Faster


@dataclass(frozen=True)
class Row:
    """A benchmark: `table` is where its readings stand, `goals` go by words of the measure they are for."""

    name: str
    table: str
    run: Callable[[bool], Iterator[Found]]  # told whether it is to be quick
    goals: Mapping[str, tuple[Goal, ...]] = field(default_factory=dict)

    def goals_of(self, measure: str) -> tuple[Goal, ...]:
        """The goals of a measure; none for what is only shown."""
        return next((goals for words, goals in self.goals.items() if words in measure), ())


def medians(readings: Iterable[Reading]) -> dict[str, float]:
    """Contender -> the median of its repetitions."""
    values: dict[str, list[float]] = {}
    for reading in readings:
        values.setdefault(reading.contender, []).append(reading.value)
    return {name: statistics.median(found) for name, found in values.items()}


def load(file: Path) -> list[Reading]:
    """The readings of a file; none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return [
            Reading(
                line["row"],
                line["measure"],
                line["contender"],
                float(line["value"]),
                line["unit"],
                line["quick"] == "True",
                line["date"],
                line["commit"],
                float(line["load"]),
            )
            for line in csv.DictReader(lines)
        ]


def save(file: Path, readings: Iterable[Reading]) -> None:
    """Writes all readings."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, [field.name for field in fields(Reading)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(reading) for reading in readings)


def merged(kept: Iterable[Reading], new: Iterable[Reading], order: list[str]) -> list[Reading]:
    """The new readings in place of the kept ones of the same rows, in the order of the rows."""
    new = list(new)
    again = {reading.row for reading in new}
    both = [reading for reading in kept if reading.row not in again and reading.row in order] + new
    return sorted(both, key=lambda reading: order.index(reading.row))
