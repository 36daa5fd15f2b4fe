"""Which columns of a table are parameters, which metrics, and which tell of the trial itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sweeper.errors import Problem, UsageError
from sweeper.importing.source import NO_SEED, SEED, ImportChoice, shown, unknown_names

# How tables name them: MLflow's search_runs, Optuna's trials_dataframe, W&B's config and summary.
_PREFIXES = {"params.": True, "params_": True, "config.": True, "config/": True, "metrics.": False}
_PREFIXES |= {"summary.": False, "summary/": False, "values_": False, "user_attrs_": False}
LEFT = "what is left"
_OPTUNA_VALUE = "value"
_ROLES = {
    "state": ("state", "status"),
    "id": ("trial", "run_id", "number", "id"),
    "reason": ("reason",),
    "steps": ("steps", "_step"),
    "started_at": ("started_at", "start_time", "datetime_start", "created"),
    "ended_at": ("end_time", "datetime_complete"),
}
_OTHERS = {"sweep", "config", "seeds", "wall_s", "device", "code", "commit", "name", "notes", "user", "tags", "runtime"}
_OTHERS |= {"experiment_id", "artifact_uri", "duration", "_runtime", "_timestamp", "_wandb", "hostname", "updated", ""}


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """Columns by what they are: parameter or metric -> its name, `about` role -> column, and what is not read."""

    params: Mapping[str, str]
    metrics: Mapping[str, str]
    about: Mapping[str, str]
    seed: str = ""
    left_out: Sequence[str] = ()
    by: tuple[str, str] = ("", "")  # how parameters, and how metrics were found, where the user did not name them

    @property
    def notes(self) -> list[str]:
        """For people: what was taken for what."""
        names = {"parameters": self.params, "metrics": self.metrics}
        pairs = zip(names.items(), self.by, strict=True)
        found = [
            f"{what}{f' ({how})' if how else ''}: {shown([name for name in of.values() if name != self.seed])}"
            for (what, of), how in pairs
        ]
        return found + ([f"columns not read: {shown([n for n in self.left_out if n])}"] if any(self.left_out) else [])


def column_roles(
    columns: Sequence[str], choice: ImportChoice, where: str, is_measured: Callable[[str], bool]
) -> ColumnRoles:
    """Tell the columns of a table apart: by the options, else by a sweep file, else by the prefixes of known exports.

    `is_measured`: whether all cells of a column are numbers. Raises UsageError where nothing tells them apart.
    """
    about = _about(columns, {*choice.params, *choice.metrics})
    seed = choice.seed if choice.seed not in ("", NO_SEED) else SEED
    rest = [name for name in columns if name not in about.values() and name.lower() not in _OTHERS and name != SEED]
    if choice.params or choice.metrics or choice.like:
        return _chosen(columns, rest, choice, where, about, seed, is_measured)
    known = {name: prefix for name in columns for prefix in _PREFIXES if name.startswith(prefix) and name != prefix}
    params = {name: name.removeprefix(prefix) for name, prefix in known.items() if _PREFIXES[prefix]}
    metrics = {name: name.removeprefix(prefix) for name, prefix in known.items() if not _PREFIXES[prefix]}
    metrics |= {name: name for name in rest if name == _OPTUNA_VALUE and params}
    metrics = {name: at for name, at in metrics.items() if is_measured(name)}
    if not params or not metrics:
        hint = "say which: --params A,B --metrics X,Y, or --like FILE.yaml (a sweep file with these parameters)"
        message = "nothing tells parameters from metrics in this table"
        raise UsageError(Problem(message, where, "", shown(rest) or "no columns", hint=hint))
    params |= {SEED: SEED} if SEED in columns else {}
    left = [name for name in columns if name not in {*params, *metrics, *about.values()}]
    return ColumnRoles(params, metrics, about, SEED, left, ("by their prefixes",) * 2)


def _chosen(
    columns: Sequence[str],
    rest: Sequence[str],
    choice: ImportChoice,
    where: str,
    about: Mapping[str, str],
    seed: str,
    is_measured: Callable[[str], bool],
) -> ColumnRoles:
    """By --params and --metrics, where both or one is given; else the parameters are those that --like names."""
    problems = unknown_names(where, "--params", choice.params, columns)
    problems += unknown_names(where, "--metrics", choice.metrics, columns)
    if both := [name for name in choice.params if name in choice.metrics]:
        problems.append(Problem("both a parameter and a metric", where, "--metrics", shown(both)))
    if problems:
        raise UsageError(*problems)
    params, by = list(choice.params), ""
    if not params and choice.like:
        params, by = [name for name in choice.like_params if name in columns], f"by {choice.like.source.name}"
        varied = [parameter.name for parameter in choice.like.space.parameters]
        if missing := unknown_names(where, "--like", varied, columns):
            raise UsageError(*missing)
    elif not params:
        params, by = [name for name in rest if name not in choice.metrics and name != seed], LEFT
    numbers = (name for name in rest if name not in params and name != seed and is_measured(name))
    metrics = choice.metrics or tuple(numbers)
    seeds = [seed] if seed in columns and choice.seed != NO_SEED and seed not in params else []
    read = {*params, *metrics, *seeds, *about.values()}
    left = [name for name in columns if name not in read and name]
    return ColumnRoles(
        {n: n for n in [*params, *seeds]},
        {n: n for n in metrics},
        about,
        seed,
        left,
        (by, "" if choice.metrics else LEFT),
    )


def _about(columns: Sequence[str], taken: set[str]) -> dict[str, str]:
    """Role -> the column that has it: the first of its usual names, unless it is asked for as something else."""
    names = {name.lower(): name for name in columns if name not in taken}
    found = {role: next((names[name] for name in usual if name in names), "") for role, usual in _ROLES.items()}
    return {role: name for role, name in found.items() if name}
