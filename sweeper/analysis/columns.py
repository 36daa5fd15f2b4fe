"""The names of columns. Parameters, metrics and bookkeeping are three namespaces that share the columns of a table.

A bookkeeping column has its own name; a parameter of that name is `params.NAME`, a metric with the name of either is
`metric.NAME`. The same metric has the same name in every table, figure, claim and condition of a sweep.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sweeper.trial import METRIC, Record

BEFORE = ["sweep", "trial", "config", "seed", "state", "reason"]
AFTER = ["steps", "started_at", "wall_s", "device", "code", "commit"]
BOOKKEEPING = frozenset({*BEFORE, *AFTER, "seeds"})
PARTS = ("mean", "std", "ci_low", "ci_high", "n", "iqm")  # of a metric over the seeds of a configuration
_OF_CONFIGURATIONS = ("rank", "pruned", "failed", "diverged", "stopped")  # a parameter may take these names


def parameter_names(records: Sequence[Record]) -> list[str]:
    """The parameters of any of the trials: what varies first, then the rest by name."""
    varied = dict.fromkeys(name for record in records for name in record.trial.varied)
    rest = {name for record in records for name in record.trial.base} - set(varied)
    return [*varied, *sorted(rest)]


def metric_names(records: Sequence[Record]) -> list[str]:
    """The final metrics of any of the trials, in the order in which they were first reported."""
    return list(dict.fromkeys(name for record in records if record.ended for name in record.ended.metrics))


def parameter_column(name: str) -> str:
    """The column of a parameter: its name, or `params.NAME` where that is the name of a column of ours."""
    return f"params.{name}" if name in BOOKKEEPING else name


def metric_columns(
    records: Sequence[Record], parameters: Sequence[str] | None = None, *, curves: bool = False
) -> dict[str, str]:
    """Metric -> its column, `metric.NAME` where its own name is taken.

    `parameters` are theirs, where known already. With `curves`, metrics that are in no result yet are among them.
    """
    names = metric_names(records)
    if curves:
        reports = (report for record in records for report in record.reports)
        names = list(dict.fromkeys([*names, *(name for report in reports for name in report.metrics)]))
    known = parameter_names(records) if parameters is None else parameters
    taken = {*BOOKKEEPING, *_OF_CONFIGURATIONS, *map(parameter_column, known)}
    free = [name for name in names if _is_free(name, taken)]
    columns = dict.fromkeys(names, "") | {name: name for name in free}
    taken.update(free)
    for name in names:
        if not columns[name]:
            column = METRIC + name
            while not _is_free(column, taken):
                column = METRIC + column
            taken.add(column)
            columns[name] = column
    return columns


def _is_free(name: str, taken: Collection[str]) -> bool:
    return name not in taken and not any(f"{name}.{part}" in taken for part in PARTS)
