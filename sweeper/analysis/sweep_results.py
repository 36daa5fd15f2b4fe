"""One sweep's results as an object: its tables, its file as last run, and what its metrics mean.

Only the results folder is read. Nothing in it is ever imported or executed: what a user's trainer declares of its
metrics is therefore not known here, only what the bundled one declares.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from sweeper.analysis import frames
from sweeper.analysis.columns import metric_columns, parameter_column
from sweeper.analysis.rounding import rounded
from sweeper.ledger.history import History
from sweeper.ledger.paths import SweepDir
from sweeper.search import ranking
from sweeper.spec.load import load_or_none
from sweeper.trainer import loading, trainer
from sweeper.trial import Record, State
from sweeper.value_text import NO_LABELS, Labels

_INTERVAL = re.compile(r"\[[^\]]*\]")
_UNIT = re.compile(r"(?:nats|bits|ms|s|%|steps|tokens|bytes|MB|GB)(?: an? \w+)?")


if TYPE_CHECKING:
    from sweeper.spec.sweep import Sweep


@dataclass(frozen=True)
class SweepResults:
    """The results of one sweep, read from its folder as they are asked for and then kept."""

    folder: SweepDir

    @classmethod
    def at_once(cls, folder: SweepDir) -> SweepResults:
        """The results as they are now, read a single time with the curves: of a sweep that runs, all agree."""
        results = cls(folder)
        results.__dict__["history"] = results._whole_history
        return results

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def history(self) -> History:
        """The content of the ledger, without the curves."""
        return frames.history(self.folder)

    @cached_property
    def records(self) -> list[Record]:
        """Every trial of the sweep with its curve, in the order of the plan."""
        return self._whole_history.planned()

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: state, reason, seed, every parameter, every final metric, provenance."""
        return frames.trials(self.folder, self.history)

    @cached_property
    def configs(self) -> pd.DataFrame:
        """One row per configuration: parameters, rank, and of each metric mean, std, 95 % interval and n over seeds."""
        return frames.configs(self.folder, self.history, places=self.places)

    @property
    def places(self) -> dict[str, int]:
        """Configuration -> its rank: those that keep the constraints first, then by the goals."""
        return ranking.places(self.sweep, self.history.planned())

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per trial, step and metric."""
        return frames.curves(self.folder, self._whole_history)

    @cached_property
    def _whole_history(self) -> History:
        return frames.history(self.folder, curves=True)

    @cached_property
    def sweep(self) -> Sweep | None:
        """The sweep file as last run; None where it is gone or no longer valid. The tables do without it."""
        return load_or_none(self.folder.spec)

    @cached_property
    def varied(self) -> list[str]:
        """The parameters that have more than one value, as columns of the tables, in the order of the file."""
        return varied(self.history.planned())

    @cached_property
    def metrics(self) -> list[str]:
        """The columns of the final metrics, the ones worth a plot first: the goals, then the headlines."""
        there = [*self._columns.values()]
        first = [*self.goals, *list(self.descriptions)[: trainer.HEADLINES]]
        return list(dict.fromkeys([*(name for name in first if name in there), *there]))

    @cached_property
    def _columns(self) -> dict[str, str]:
        return metric_columns(self.history.planned())

    @cached_property
    def goals(self) -> dict[str, bool]:
        """The columns of the goals, and whether more is better."""
        goals = self.sweep.goals if self.sweep else ()
        return {self._columns.get(goal.name, goal.name): goal.maximize for goal in goals}

    @property
    def headlines(self) -> list[str]:
        """The metrics that are shown by default; the first three where none is named."""
        chosen = {*self.goals, *list(self.descriptions)[: trainer.HEADLINES]}
        return [name for name in self.metrics if name in chosen] or self.metrics[: trainer.HEADLINES]

    @cached_property
    def descriptions(self) -> Mapping[str, str]:
        """What each metric means, in a line, as far as the bundled trainer declares it."""
        names = {record.trial.trainer for record in self.history.planned()}
        described = [trainer.find(name).metrics or {} for name in names if name in loading.BUNDLED]
        return {self._columns.get(name, name): text for name, text in (described[0] if described else {}).items()}

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ranges of the metrics, by their columns, as far as the bundled trainer declares them."""
        return frames.ranges(self.history.planned(), self._columns)

    @property
    def absent(self) -> Mapping[str, str]:
        """Metrics that no trial reports though the trainer declares them, diagnostics aside, each with the reason."""
        return self.history.runs[-1].get("absent", {}) if self.history.runs else {}

    @cached_property
    def labels(self) -> Labels:
        """What people read instead of a column's name: from the file, else from the last run or the trainer."""
        names = {record.trial.trainer for record in self.history.planned()} & set(loading.BUNDLED)
        known = self.sweep.labels if self.sweep else NO_LABELS
        for other in (self.history.labels, *(trainer.find(name).labels for name in names)):
            known = known.over(other)
        columns = {**{name: parameter_column(name) for name in known.as_declared()}, **self._columns}
        return Labels.declared({columns[name]: parts for name, parts in known.as_declared().items()})

    def named(self, text: str) -> str:
        """The column that a person means: a short name, as tables and plots show it, stands for the whole one."""
        if text in self.trials.columns:
            return text
        shorts = self.labels.short_names([*self.varied, *self.metrics])
        return next((name for name, short in shorts.items() if short == text), text)

    def maximize(self, metric: str) -> bool | None:
        """Whether more of a metric is better; None where the sweep has no such goal."""
        return self.goals.get(metric)

    def _repr_html_(self) -> str:
        """In a notebook: the name, the counts, and the table of configurations."""
        states = Counter(record.state for record in self.history.planned())
        counts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
        shown = [*self.varied, *(f"{name}.{part}" for name in self.headlines for part in ("mean", "std", "n"))]
        if "rank" in self.configs:
            shown = ["rank", *shown]
        frame = self.configs.sort_values("rank", kind="stable") if "rank" in self.configs else self.configs
        table = frame[shown].to_html(index=False, max_rows=30, float_format=rounded, na_rep="", border=0)
        return f"<p><b>{html.escape(self.name)}</b>: {counts or 'no trials'}</p>{table}"


def load_results(folder: Path) -> SweepResults:
    """The results of the sweep in RESULTS/NAME. Raises UsageError where there is none.

    >>> found = load_results(Path("results/published/jsd"))
    >>> found.name, len(found.trials), len(found.configs)
    ('jsd', 360, 60)
    >>> best = found.configs.sort_values("alignment.mean", ascending=False).iloc[0]
    >>> float(best["loss.beta"]), round(float(best["alignment.mean"]), 3)
    (0.5, 1.0)
    """
    path = folder.resolve()
    results = SweepResults(SweepDir(path.parent, path.name))
    _ = results.history
    return results


def varied(records: Sequence[Record]) -> list[str]:
    """The columns of the parameters that vary and have more than one value, in the order of the file."""
    names = dict.fromkeys(name for record in records for name in record.trial.varied)
    values = {name: {repr(record.trial.params.get(name)) for record in records} for name in names}
    return [parameter_column(name) for name in names if len(values[name]) > 1]


def unit_of(description: str) -> str:
    """The unit that ends a metric's description: `mean entropy, [0, ln K] nats` is in nats; "" where there is none."""
    unit = _INTERVAL.sub("", description).rpartition(",")[2].strip()
    return unit if _UNIT.fullmatch(unit) else ""
