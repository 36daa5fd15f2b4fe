"""The last thing a run says: what became of the trials, their table, where everything lies, what to type next."""

from __future__ import annotations

import json
import math
import shlex
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sweeper.console import STYLES, duration, print_configurations
from sweeper.errors import Exit
from sweeper.plan import Plan
from sweeper.run import Finished
from sweeper.trial import Record, State, Trial


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands that fit this run, as a person would type them."""

    file: Path
    overrides: Sequence[str]
    results: Path

    def run(self, *flags: str) -> str:
        return shlex.join(["sweeper", "run", str(self.file), *self.overrides, *self._folder(), *flags])

    def verb(self, *words: str) -> str:
        return shlex.join(["sweeper", *words, *self._folder()])

    def _folder(self) -> list[str]:
        return [] if self.results == Path("results") else ["--results", str(self.results)]


def alone(file: Path, trial: Trial) -> str:
    """The command that trains this trial again, alone and unrecorded, from the sweep's file as it was run."""
    settings = [f"{name}={json.dumps(value)}" for name, value in trial.varied.items()]
    return shlex.join(["sweeper", "train", str(file), *settings, f"seeds=[{trial.seed}]"])


def print_finished(
    console: Console, plan: Plan, metrics: Sequence[str], finished: Finished, commands: Commands
) -> None:
    """Print the end of a run. The last line is the command that continues, when there is something to continue."""
    name, folder = plan.sweep.name, commands.results / plan.sweep.name
    console.print(_headline(plan, finished))
    if any(record.ended for record in finished.records):
        console.print()
        print_configurations(console, _ranked(plan, finished.records), metrics)
        console.print()
    _print_failures(console, finished.records, folder)
    if finished.mirrored.behind:
        console.print(Text(f"MLflow lacks {finished.mirrored.behind} trials: {finished.mirrored.error}", "yellow"))
        console.print(f"  complete it with: {commands.verb('sync', name)}")
    console.print(f"results  {folder}", soft_wrap=True)
    console.print(f"table    {commands.verb('export', name)}", soft_wrap=True)
    console.print(f"MLflow   {commands.verb('ui')}", soft_wrap=True)
    if finished.why or finished.exit_code in (Exit.BUDGET, Exit.INTERRUPTED, Exit.TERMINATED):
        console.print(f"continue with: {commands.run()}", soft_wrap=True)
    elif finished.exit_code is Exit.TRIALS_FAILED:
        console.print(f"try the failed ones again with: {commands.run('--rerun', 'failed')}", soft_wrap=True)


def _ranked(plan: Plan, records: Sequence[Record]) -> Sequence[Record]:
    """A search with the best configuration first, by its mean; a list that people wrote stays in its order."""
    if plan.sweep.method in ("grid", "list"):
        return records
    goal = plan.sweep.goals[0] if plan.sweep.goals else None
    values: dict[str, list[float]] = {}
    for record in records:
        if goal and record.ended and record.state.is_result and goal.name in record.ended.metrics:
            values.setdefault(record.trial.config, []).append(record.ended.metrics[goal.name])
    means = {config: statistics.fmean(of_seeds) for config, of_seeds in values.items()}
    sign = -1 if goal and goal.maximize else 1
    return sorted(records, key=lambda record: sign * means.get(record.trial.config, sign * math.inf))


def _headline(plan: Plan, finished: Finished) -> Text:
    counts = Counter(record.state for record in finished.records)
    text = Text(f"{plan.sweep.name}: ", "bold")
    if finished.why:
        text.append(f"stopped, {finished.why}; ", "yellow")
    elif not finished.trained:
        text.append("nothing to train, every trial is done already; ")
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
