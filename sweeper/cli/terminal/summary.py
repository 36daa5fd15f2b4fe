"""The end of a run: the states of the trials, their table, where everything lies, what to type next."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.columns import metric_names
from sweeper.analysis.rounding import rounded
from sweeper.cli.terminal.console import STYLES
from sweeper.cli.terminal.tables import print_configurations
from sweeper.cli.terminal.verdicts import print_verdicts
from sweeper.errors import Exit
from sweeper.execution.run import RunOutcome
from sweeper.planning.plan import Plan
from sweeper.planning.planned_trial import Action
from sweeper.reporting.commands import Commands
from sweeper.search.pruner import saved_seconds
from sweeper.search.ranking import best, ranked
from sweeper.spec.sweep import Sweep
from sweeper.trainer.trainer import HEADLINES
from sweeper.trial import Record, State, by_config, values_of
from sweeper.value_text import duration


def print_finished(
    console: Console,
    plan: Plan,
    metrics: Sequence[str],
    finished: RunOutcome,
    commands: Commands,
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Print the end of a run. The last line is the command that continues, when there is something to continue."""
    name, folder = plan.sweep.name, commands.results / plan.sweep.name
    console.print(_headline(plan, finished))
    if saved := saved_seconds(finished.records):
        console.print(f"early termination saved about {duration(saved)} of training")
    if any(record.ended for record in finished.records):
        console.print()
        shown = metrics or metric_names(finished.records)[:HEADLINES]
        print_configurations(console, _ranked(plan, finished.records), shown)
        console.print()
        _print_best(console, plan.sweep, finished.records)
    if verdicts:
        print_verdicts(console, verdicts)
    _print_failures(console, finished.records, folder)
    if stale := len(plan.of(Action.STALE)):
        of = f"all {stale}" if stale == len(plan.items) else f"{stale} of {len(plan.items)}"
        console.print(Text(f"{of} results are of older code or data, and were not trained again", "yellow"))
    console.print(f"results  {folder}", soft_wrap=True)
    console.print(f"table    {commands.command('export', name)}", soft_wrap=True)
    console.print(f"report   {commands.command('report', name)}", soft_wrap=True)
    console.print(f"MLflow   {commands.command('ui')}", soft_wrap=True)
    print_next(console, plan, finished, commands)


def print_next(console: Console, plan: Plan, finished: RunOutcome, commands: Commands) -> None:
    """Print what is left to do: what completes MLflow, and last the command that continues."""
    if not finished.mirrored.is_whole:
        console.print(Text(f"MLflow lacks {finished.mirrored.missing()}: {finished.mirrored.error}", "yellow"))
        console.print(f"  complete it with: {commands.command('sync', plan.sweep.name)}")
    if finished.why or finished.exit_code in (Exit.BUDGET, Exit.INTERRUPTED, Exit.TERMINATED):
        console.print(f"continue with: {commands.run()}", soft_wrap=True)
    elif finished.exit_code is Exit.TRIALS_FAILED:
        console.print(f"try the failed ones again with: {commands.run('failed')}", soft_wrap=True)
    elif any(record.state is State.STOPPED for record in finished.records):
        console.print(f"train the stopped ones on with: {commands.run('stopped')}", soft_wrap=True)
    elif plan.of(Action.STALE):
        console.print(f"train the stale ones again with: {commands.run('stale')}", soft_wrap=True)


def _ranked(plan: Plan, records: Sequence[Record]) -> Sequence[Record]:
    """A search with the best configuration first; a list that people wrote stays in its order."""
    if plan.sweep.method in ("grid", "list"):
        return records
    place = {standing.config: number for number, standing in enumerate(ranked(plan.sweep, records))}
    return sorted(records, key=lambda record: place[record.trial.config])


def _print_best(console: Console, sweep: Sweep, records: Sequence[Record], limit: int = 10) -> None:
    """Name the best configuration, or the Pareto front, among those that keep the constraints."""
    kept = " and ".join(constraint.text for constraint in sweep.constraints)
    first = best(sweep, records)
    if not first:
        if kept and any(record.state is State.COMPLETED for record in records):
            console.print(Text(f"no configuration keeps {kept}", "yellow"))
        return
    names = {record.trial.config: record.trial.settings for record in records}
    what = "best" if len(sweep.goals) == 1 else f"Pareto front, {len(first)} of {len(names)}"
    console.print(Text(what, "bold").append(f", with {kept}:" if kept else ":", "default not bold"))
    groups, short = by_config(records), records[0].trial.labels.short_names(goal.name for goal in sweep.goals)
    for standing in first[:limit]:
        values = ", ".join(
            f"{short[g.name]} {rounded(v)}" for g, v in zip(sweep.goals, standing.values or (), strict=False)
        )
        console.print(f"  {names[standing.config]}  ({values}{_seeds(groups[standing.config])})", soft_wrap=True)
    if len(first) > limit:
        console.print(f"  and {len(first) - limit} more", style="dim")


def _seeds(group: Sequence[Record]) -> str:
    """Over how many seeds a value is, where some are missing."""
    completed = sum(record.state is State.COMPLETED for record in group)
    return f"; n = {completed} of {len(group)}" if completed < len(group) else ""


def _headline(plan: Plan, finished: RunOutcome) -> Text:
    counts = Counter(record.state for record in finished.records)
    text = Text(f"{plan.sweep.name}: ", "bold")
    if finished.why:
        text.append(f"stopped, {finished.why}; ", "yellow")
    elif not finished.trained:
        stale = len(plan.of(Action.STALE))
        text.append("nothing to train, " + (f"{stale} stale; " if stale else "every trial is done already; "))
    text.append(", ".join(f"{counts[state]} {state}" for state in State if counts[state]))
    return text.append(f" in {duration(finished.seconds)}") if finished.trained else text


def _print_failures(console: Console, records: Sequence[Record], folder: Path, limit: int = 5) -> None:
    bad = [r for r in records if r.state in (State.FAILED, State.DIVERGED) and r.ended]
    for record in bad[:limit]:
        assert record.ended is not None
        console.print(
            Text(f"{record.state}: ", STYLES[record.state]).append(f"{record.trial.name}", "default not bold")
        )
        console.print(Text(f"  {record.ended.reason}"))
        console.print(Text(f"  log: {folder / 'trials' / record.trial.key / 'log.txt'}", "dim"))
    if len(bad) > limit:
        console.print(
            f"  and {len(bad) - limit} more: sweeper export {records[0].trial.trainer and folder.name} --sort state"
        )


def finished_json(plan: Plan, results: Path, finished: RunOutcome) -> dict[str, object]:
    """How a run ended, as the document that `run --json` prints."""
    states, goals = Counter(str(record.state) for record in finished.records), plan.sweep.goals
    groups = by_config(finished.records)
    places = {one.config: place for place, one in enumerate(ranked(plan.sweep, finished.records))}
    order = sorted(groups, key=lambda config: places.get(config, len(places)))
    front = [one.config for one in best(plan.sweep, finished.records)] if goals else []
    return {
        "sweep": plan.sweep.name,
        "exit_code": int(finished.exit_code),
        "stopped": finished.why,
        "trials": len(finished.records),
        "trained": finished.trained,
        "stale": len(plan.of(Action.STALE)),
        "states": dict(states),
        "seconds": round(finished.seconds, 3),
        "configs": [_config_json(groups[config]) for config in order],
        "best": [_config_json(groups[config], [goal.name for goal in goals]) for config in front],
        "results": str(results / plan.sweep.name),
        "mlflow": {
            "runs": finished.mirrored.runs,
            "behind": finished.mirrored.behind,
            "overviews_behind": finished.mirrored.overviews,
            "error": finished.mirrored.error,
        },
    }


def _config_json(group: Sequence[Record], only: Sequence[str] = ()) -> dict[str, object]:
    """A configuration: what varies, how many seeds completed, and the mean of each metric over them."""
    completed = [record for record in group if record.state is State.COMPLETED]
    names = only or metric_names(completed)
    means = {name: statistics.fmean(values) for name in names if (values := values_of(group, name))}
    first = group[0].trial
    return {
        "config": first.config,
        "params": dict(first.varied),
        "n": len(completed),
        "seeds": len(group),
        "metrics": means,
    }
