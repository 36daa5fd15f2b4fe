"""Two sweeps, configuration by configuration: what is only in one, what moved and by how much, what else changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sweeper.analysis.claims.verdict import finite
from sweeper.analysis.columns import metric_columns
from sweeper.analysis.evidence import label, value_of, varying_names
from sweeper.analysis.statistics import CONFIDENCE, Estimate, average, estimate, holm, paired, welch
from sweeper.ledger.history import History
from sweeper.trial import Record, Value, canonical_json
from sweeper.value_text import show

ALPHA = 1 - CONFIDENCE
LONGEST = 200  # characters of a value: a digest, a version
_NOT_COMPARED = {"at", "pid", "command", "stopped", "mirror", "e", "patch", "labels"}


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a metric lies in B above A, with its 95 % interval (None with too few seeds) and how that was found.

    `a` and `b` are the means of what is compared: paired, of the seeds that both have. `by` is `seeds` (paired),
    `welch` (two samples) or `single` (no interval). `p` is two-sided, after Holm.
    """

    label: str
    a: float
    b: float
    shift: float
    ci_low: float | None
    ci_high: float | None
    by: str
    n: int
    p: float

    @property
    def moved(self) -> bool:
        return self.p <= ALPHA


@dataclass(frozen=True, slots=True)
class Moved:
    """A metric: its mean shift over all configurations, and that of each."""

    metric: str
    overall: Shift
    configs: tuple[Shift, ...]

    @property
    def moved(self) -> bool:
        return self.overall.moved or any(shift.moved for shift in self.configs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sweeps have in common and what not. `changes` are provenance: what, in A, in B."""

    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    both: int
    same_trials: int
    metrics: tuple[Moved, ...]
    changes: tuple[tuple[str, str, str], ...]

    def as_json(self) -> dict[str, Any]:
        metrics = [asdict(metric) | {"moved": metric.moved} for metric in self.metrics]
        changes = [{"what": what, "a": a, "b": b} for what, a, b in self.changes]
        return {**asdict(self), "metrics": metrics, "changes": changes}


def compare(a: History, b: History) -> Comparison:
    """Align the sweeps as last planned by the keys of their configurations.

    Where no key is the same (a trainer has got or lost settings in between, a setting that varies in neither differs,
    one of the sweeps was imported): by the settings that both have and that do not differ as a whole.
    """
    first, second = a.planned(), b.planned()
    names = [{name for record in records for name in record.trial.params} for records in (first, second)]
    configs = [{record.trial.config for record in records} for records in (first, second)]
    by_key, fixed = not configs[0].isdisjoint(configs[1]), _fixed_apart(first, second)
    aligned_by = (names[0] & names[1]) - {name for name, _, _ in fixed}
    one, other = (_groups(records, aligned_by, by_key) for records in (first, second))
    common = [key for key in one if key in other]
    columns, there = metric_columns([*first, *second]), set(metric_columns(second))
    metrics = [columns[name] for name in metric_columns(first) if name in there]
    labels = _labels([*first, *second])
    pairs = [(labels[one[key][0].trial.config], one[key], other[key]) for key in common]
    keys = {record.trial.key for record in first}
    return Comparison(
        tuple(labels[group[0].trial.config] for key, group in one.items() if key not in other),
        tuple(labels[group[0].trial.config] for key, group in other.items() if key not in one),
        len(common),
        sum(record.trial.key in keys for record in second),
        tuple(_moved(metrics, pairs)),
        (*fixed, *_changes(a, b, *names)),
    )


def _fixed_apart(first: Sequence[Record], second: Sequence[Record]) -> list[tuple[str, str, str]]:
    """Settings that have one value in each sweep, not the same: the name, in A, in B."""
    one, other = (_fixed(records) for records in (first, second))
    return [(name, show(one[name]), show(other[name])) for name in one if name in other and one[name] != other[name]]


def _fixed(records: Sequence[Record]) -> dict[str, Value]:
    params = [record.trial.params for record in records]
    return {
        name: value
        for name, value in (params[0] if params else {}).items()
        if all(name in others and others[name] == value for others in params)
    }


def _groups(records: Sequence[Record], names: set[str], by_key: bool) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        params = record.trial.params
        key = record.trial.config if by_key else canonical_json({name: params[name] for name in names & params.keys()})
        groups.setdefault(key, []).append(record)
    return groups


def _labels(records: Sequence[Record]) -> dict[str, str]:
    varying = varying_names(records)
    trials = {record.trial.config: record.trial for record in records}
    return {config: label(trial, varying) for config, trial in trials.items()}


def _moved(metrics: Sequence[str], pairs: Sequence[tuple[str, list[Record], list[Record]]]) -> list[Moved]:
    """Every metric of both; Holm over the metrics for overall shifts, over everything for those of configurations."""
    rows = {metric: [row for name, a, b in pairs if (row := _shift(name, metric, a, b))] for metric in metrics}
    rows = {metric: found for metric, found in rows.items() if found}
    single = iter(holm([one.p_differs(0) for found in rows.values() for _, one in found]))
    corrected = {metric: tuple(_with_p(shift, next(single)) for shift, _ in found) for metric, found in rows.items()}
    overall = {metric: _overall(found) for metric, found in rows.items()}
    adjusted = holm([one.p_differs(0) for _, one in overall.values()])
    return [
        Moved(metric, _with_p(shift, p), corrected[metric])
        for (metric, (shift, _)), p in zip(overall.items(), adjusted, strict=True)
    ]


def _shift(name: str, metric: str, a: Sequence[Record], b: Sequence[Record]) -> tuple[Shift, Estimate] | None:
    one, other = (
        {r.trial.seed: value for r in records if (value := value_of(r, metric)) is not None} for records in (a, b)
    )
    if not one or not other:
        return None
    seeds = [seed for seed in one if seed in other]
    if len(seeds) > 1:
        first, second = [one[seed] for seed in seeds], [other[seed] for seed in seeds]
    else:
        first, second = [*one.values()], [*other.values()]
    a_mean, b_mean = (math.fsum(values) / len(values) for values in (first, second))
    if len(seeds) > 1:
        found, by = paired(second, first), "seeds"
    elif len(first) > 1 and len(second) > 1:
        found, by = welch(second, first), "welch"
    else:
        found, by = Estimate(b_mean - a_mean, math.inf, 1, min(len(first), len(second))), "single"
    return _shift_record(name, a_mean, b_mean, found, by), found


def _overall(found: Sequence[tuple[Shift, Estimate]]) -> tuple[Shift, Estimate]:
    """The mean shift. With one seed everywhere, what varies is the configuration."""
    known = [one for _, one in found if math.isfinite(one.se)]
    one = average(known) if known else estimate([one.mean for _, one in found])
    by = (
        "configurations" if not known else "+".join(sorted({shift.by for shift, one in found if math.isfinite(one.se)}))
    )
    a, b = estimate([shift.a for shift, _ in found]).mean, estimate([shift.b for shift, _ in found]).mean
    return _shift_record("all configurations", a, b, one, by), one


def _shift_record(name: str, a: float, b: float, one: Estimate, by: str) -> Shift:
    low, high = (finite(end) for end in one.interval())
    return Shift(name, a, b, one.mean, low, high, by, one.n, 1.0)


def _with_p(shift: Shift, p: float) -> Shift:
    return replace(shift, p=p)


def _changes(a: History, b: History, names_a: set[str], names_b: set[str]) -> list[tuple[str, str, str]]:
    """Code, commit, packages, data, machine: what is not the same in the last runs."""
    codes = [_listed({record.trial.code for record in known.planned()}) for known in (a, b)]
    found = [("settings", _listed(names_a - names_b), _listed(names_b - names_a)), ("code", codes[0], codes[1])]
    one, other = (_flat(known.runs[-1]) if known.runs else {} for known in (a, b))
    found += [(name, one.get(name, ""), other.get(name, "")) for name in dict.fromkeys([*one, *other])]
    return [(what, _excerpt(first), _excerpt(second)) for what, first, second in found if first != second]


def _excerpt(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _flat(run: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a run, each package and each data file a line of its own."""
    flat: dict[str, str] = {}
    for name, value in run.items():
        if name in _NOT_COMPARED:
            continue
        parts = value if isinstance(value, dict) else {}
        flat |= {f"{name}: {part}": str(inner) for part, inner in parts.items()}
        if not isinstance(value, dict | list):
            flat[name] = str(value)
    return flat


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
