"""What a plot is about: the trials of a sweep, the metrics to show, and the axes they are shown over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from sweeper.analysis.columns import parameter_column, parameter_names
from sweeper.analysis.frames import cell_value
from sweeper.analysis.sweep_results import SweepResults, unit_of
from sweeper.errors import Problem, UsageError, did_you_mean, some_of
from sweeper.spec.space.domains import Beta, Domain, Normal, Range
from sweeper.spec.space.expressions import UnknownName, condition
from sweeper.spec.space.tokens import ExpressionError
from sweeper.trial import State, Value
from sweeper.value_text import plural, show

MANY = 12  # distinct values; up to here they are levels side by side, above they are numbers on a scale
LARGEST = 1e300  # of a value that is drawn: ticks and margins of an axis with larger ones overflow


class NotApplicable(Exception):
    """This plot makes no sense for this sweep; the message gives the reason in one line."""


@dataclass(frozen=True, slots=True, eq=False)
class FigureAxis:
    """A parameter, or a combination of some: its value in every trial. `reads` are the parameters behind it."""

    name: str
    values: pd.Series
    log: bool
    reads: tuple[str, ...]
    label: str
    is_drawn: bool = False  # from a range, by a search: a scale however few values there are

    @property
    def levels(self) -> list[Value] | None:
        """Its values in order where they are few or not all numbers; None where it is a scale."""
        distinct = {canonical_level(value): value for value in self.values}
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in distinct.values())
        if numeric:
            return sorted(distinct.values()) if len(distinct) <= MANY and not self.is_drawn else None
        return sorted(distinct.values(), key=lambda v: (isinstance(v, str), str(v)))

    def positions(self) -> pd.Series:
        """Where each trial lies along the axis: its number, or the index of its level."""
        if (levels := self.levels) is None:
            return self.values.astype(float)
        index = {canonical_level(level): i for i, level in enumerate(levels)}
        return self.values.map(lambda value: index[canonical_level(value)]).astype(float)


@dataclass(frozen=True)
class FigureContext:
    """A sweep's results, and what is asked to be shown of them.

    `metrics` are the requested names, each with the direction given with it (None: as in the sweep file); `x` and `y`
    are parameters, or combinations of some in the language of `where`.
    """

    results: SweepResults
    metrics: tuple[tuple[str, bool | None], ...] = ()
    x: str | None = None
    y: str | None = None

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial, as exported; without the values of metrics that no axis can have."""
        trials = self.results.trials.copy()  # in one block: pandas warns of frames in a hundred
        metrics = [name for name in self.results.metrics if name in trials]
        return trials.assign(**{name: trials[name].where(trials[name].abs() <= LARGEST) for name in metrics})

    @cached_property
    def done(self) -> pd.DataFrame:
        """The completed trials: those that count in every mean."""
        return self.trials[self.trials.state == State.COMPLETED]

    @cached_property
    def varied(self) -> list[str]:
        return self.results.varied

    @cached_property
    def grouped_curves(self) -> dict[str, Any]:
        """By metric, the list that `curves.seed_curves` has made for an earlier plot."""
        return {}

    @property
    def shown(self) -> list[str]:
        """The metrics to show: those asked for, else the goals and the trainer's headlines."""
        return [name for name, _ in self.metrics] or self.results.headlines

    def maximize(self, metric: str) -> bool | None:
        """Whether more of it is better: as requested, else as in the sweep file, else None."""
        asked = dict(self.metrics).get(metric)
        return self.results.maximize(metric) if asked is None else asked

    def label(self, metric: str) -> str:
        """What a metric is called, with its unit and its better side where they are known."""
        unit = unit_of(self.results.descriptions.get(metric, ""))
        better = {True: ", higher is better", False: ", lower is better", None: ""}[self.maximize(metric)]
        return f"{self.text(metric)} [{unit}]{better}" if unit else f"{self.text(metric)}{better}"

    def text(self, name: str) -> str:
        """What a parameter or a metric is called in titles and on axes."""
        return self.results.labels.text(name)

    def short_names(self, names: Sequence[str]) -> dict[str, str]:
        """What they are called where there is little room."""
        return self.results.labels.short_names(names)

    def axis(self, text: str) -> FigureAxis:
        """The axis of a parameter or of a combination. Raises UsageError for a name that is no parameter."""
        names = [parameter_column(name) for name in parameter_names(self.results.history.planned())]
        if text in names:
            return FigureAxis(text, self.trials[text], self._log(text), (text,), self.text(text), self._is_drawn(text))
        try:
            expression = condition(text)
            rows = self.trials[[name for name in names if name in expression.names]].to_dict("records")
            values = pd.Series([expression.value(row) for row in rows], index=self.trials.index)  # type: ignore[arg-type]
        except ExpressionError as error:
            raise UsageError(Problem(f"not a combination of parameters: {error}", found=text)) from None
        except UnknownName as error:
            hint = did_you_mean(str(error), names)
            raise UsageError(
                Problem("no such parameter", found=str(error), allowed=some_of(self.varied), hint=hint)
            ) from None
        return FigureAxis(text, values.map(_tidy), False, expression.names, text)

    def axes(self, count: int) -> list[FigureAxis]:
        """The axes asked for, filled up with what varies. Raises NotApplicable where that is not enough."""
        asked = [self.axis(text) for text in (self.x, self.y)[:count] if text]
        used = {name for axis in asked for name in axis.reads}
        rest = [self.axis(name) for name in self.varied if name not in used]
        if len(asked) + len(rest) < count:
            raise NotApplicable(f"needs {count} parameters that vary, the sweep has {len(self.varied)}")
        if self.x is None and self.y and count == 2:
            return [rest[0], asked[0]]
        return [*asked, *rest][:count]

    def check_metrics(self) -> None:
        """Raises UsageError for a metric that no trial has."""
        there = self.results.metrics
        for name, _ in self.metrics:
            if name not in there:
                hint = self.results.absent.get(name) or did_you_mean(name, there)
                raise UsageError(Problem("no such metric", "", "--metric", name, some_of(there), hint))

    def counts(self) -> str:
        """How many trials stand behind a plot and what became of the others, in words."""
        states = Counter(self.trials.state)
        others = ", ".join(f"{states[state]} {state}" for state in State if state != "completed" and states[state])
        configs = self.trials.config.nunique()
        text = f"{states['completed']} of {len(self.trials)} trials completed, {plural(configs, 'configuration')}"
        return f"{text}; not in any mean: {others}" if others else text

    def ranked(self, metric: str) -> tuple[list[str], str]:
        """The configurations, the best first where it is known what that is, and by what they are ordered, in words.

        By the metric itself where it has a better side, else by the sweep's first goal, else as planned.
        """
        configs = list(dict.fromkeys(self.trials.config))
        by = next((name for name in (metric, *self.results.goals) if self.maximize(name) is not None), None)
        if by is None or by not in self.done:
            return configs, "in the order of the plan"
        means = self.done.groupby("config")[by].mean().dropna()
        order = means.sort_values(ascending=not self.maximize(by), kind="stable").index
        return [*order, *(config for config in configs if config not in means.index)], f"by {self.text(by)}"

    def config_label(self, config: str) -> str:
        """A configuration in words: what varies, by the shortest names that tell them apart."""
        return self._config_labels[config]

    @cached_property
    def _config_labels(self) -> dict[str, str]:
        names = self.short_names(self.varied)
        rows = self.trials.drop_duplicates("config")[["config", *self.varied]].to_dict("records")
        for text in (_in_short, show):
            labels = {row["config"]: "  ".join(f"{names[n]}={text(cell_value(row[n]))}" for n in names) for row in rows}
            if len(set(labels.values())) == len(labels):
                break
        return {config: label or config[:8] for config, label in labels.items()}

    def _log(self, name: str) -> bool:
        domain = self._domain(name)
        return isinstance(domain, Range | Normal) and domain.log

    def _is_drawn(self, name: str) -> bool:
        """Whether a search draws the parameter from a range of more values than levels could show."""
        domain, sweep = self._domain(name), self.results.sweep
        if sweep is None or sweep.method in ("grid", "list") or not isinstance(domain, Range | Normal | Beta):
            return False
        if not isinstance(domain, Range):
            return True
        step = domain.step or (1 if domain.integer else 0)
        return not step or (domain.high - domain.low) / step >= MANY

    def _domain(self, name: str) -> Domain | None:
        space = self.results.sweep.space.parameters if self.results.sweep else ()
        return next((p.domain for p in space if parameter_column(p.name) == name), None)


def canonical_level(value: object) -> str:
    """What makes two cells the same level: 1 and 1.0 are, 1 and true are not."""
    value = cell_value(value)
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def _tidy(value: object) -> Value:
    value = cell_value(value)
    return float(f"{value:.12g}") if isinstance(value, float) else value  # 0.1 + 0.2 and 0.3 are one level


def _in_short(value: Value) -> str:
    """A value with at most four digits."""
    return show(float(f"{value:.4g}") if isinstance(value, float) else value)
