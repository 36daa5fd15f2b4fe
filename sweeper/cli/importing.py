"""The command that reads in what other tools trained: import."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli import completion
from sweeper.cli.options import Shared, comma_list, shares
from sweeper.cli.output import news_console, print_json, results_console
from sweeper.errors import Problem, UsageError
from sweeper.value_text import NO_LABELS, plural

if TYPE_CHECKING:
    from sweeper.importing.source import ImportChoice, ImportSource
    from sweeper.importing.write import ImportOutcome


class SourceChoice(StrEnum):
    mlflow = "mlflow"
    wandb = "wandb"
    optuna = "optuna"
    csv = "csv"


@shares("results", "as_json", "quiet", "no_color")
def import_sweep(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the sweep is called here.", show_default=False)],
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="The file, the folder mlruns or wandb, or the address of a store or storage.",
            show_default=False,
        ),
    ],
    source: Annotated[SourceChoice, typer.Option("--from", help="What PATH is of.", show_default=False)],
    params: Annotated[
        str,
        typer.Option(metavar="A,B", help="Which are parameters; else all that are not metrics.", show_default=False),
    ] = "",
    metrics: Annotated[
        str,
        typer.Option(
            metavar="X,Y",
            help="Which are metrics; NAME:minimize or NAME:maximize makes one a goal.",
            show_default=False,
        ),
    ] = "",
    seed: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Which is the seed; none: equal settings are repeats. By default seed.",
            show_default=False,
        ),
    ] = "",
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A sweep file with these parameters; its goals, claims and labels apply.",
            show_default=False,
            autocompletion=completion.files,
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(
            "--experiment",
            "--study",
            metavar="NAME",
            help="Of MLflow or Optuna; else the only one.",
            show_default=False,
        ),
    ] = "",
    *,
    shared: Shared,
) -> None:
    """A read-only sweep of trials that another tool trained, for export, compare, verify, plot and report.

    Again, it adds what is new. Claims about it are always exploratory.
    """
    from sweeper.analysis.claims.verify import keep_tables
    from sweeper.importing.source import selected
    from sweeper.importing.sweep_text import sweep_text
    from sweeper.importing.trials import imported_trials
    from sweeper.importing.write import known_trials, write_import
    from sweeper.ledger.paths import ALLOWED, SweepDir, is_folder_name, similar_folder_name
    from sweeper.provenance import command_line, session

    if not is_folder_name(name):
        better = similar_folder_name(name)
        raise UsageError(
            Problem("not the name of a sweep", "", "NAME", name, ALLOWED, f"for example {better}" if better else "")
        )
    choice = _choice(params, metrics, seed, like)
    sweep_dir = SweepDir(shared.results, name)
    known = {key: record.trial.seed for key, record in known_trials(sweep_dir).records.items()}
    found = selected(_read(source, path, part, choice), choice)
    labels = choice.like.labels if choice.like else NO_LABELS
    trials, notes = imported_trials(name, found, choice, known, labels)
    text = sweep_text(name, found, trials, choice)
    facts = {key: value for key, value in session(command_line()).items() if key in ("command", "host")}
    outcome = write_import(sweep_dir, found, trials, text, facts, labels)
    if choice.like:
        keep_tables(choice.like.claims, sweep_dir.folder)
    notes = [*found.notes, *notes]
    if found.unfinished:
        notes.append(f"{plural(found.unfinished, 'trial')} left out that had not ended; import again when they have")
    if shared.as_json:
        states = {str(state): count for state, count in sorted(outcome.states.items())}
        counts = {"new": outcome.new, "known": outcome.known, "unfinished": found.unfinished, "states": states}
        print_json({"sweep": name, "from": str(source), "source": found.text, **counts, "notes": notes})
        return
    for note in () if shared.quiet else notes:
        news_console(shared.no_color).print(note, soft_wrap=True, markup=False, highlight=False)
    results_console(shared.no_color).print(
        _outcome_text(name, found, outcome), soft_wrap=True, markup=False, highlight=False
    )


def _choice(params: str, metrics: str, seed: str, like: Path | None) -> ImportChoice:
    from sweeper.importing.source import ImportChoice
    from sweeper.spec.files import find_file
    from sweeper.spec.load import load_spec

    goals: dict[str, bool] = {}
    names = []
    for word in comma_list(metrics):
        name, _, way = word.rpartition(":")
        if name and way in ("minimize", "maximize"):
            goals[name], word = way == "maximize", name
        names.append(word)
    sweep = load_spec(find_file(like)) if like is not None else None
    return ImportChoice(tuple(comma_list(params)), tuple(names), goals, seed, sweep)


def _read(kind: SourceChoice, path: str, part: str, choice: ImportChoice) -> ImportSource:
    """What the source holds. Raises UsageError with the place of what cannot be read."""
    if part and kind not in (SourceChoice.mlflow, SourceChoice.optuna):
        raise UsageError(Problem("only MLflow has experiments, and Optuna studies", "", "--experiment", part))
    if kind is SourceChoice.mlflow:
        from sweeper.tracking.stored_experiment import experiment_source

        return experiment_source(path, part)
    if kind is SourceChoice.optuna:
        from sweeper.search.stored_study import study_source

        return study_source(path, part)
    from sweeper.importing.table import read_table, table_source
    from sweeper.importing.wandb_runs import wandb_source

    return (
        wandb_source(Path(path), choice)
        if kind is SourceChoice.wandb
        else table_source("csv", read_table(Path(path)), choice)
    )


def _outcome_text(name: str, source: ImportSource, outcome: ImportOutcome) -> str:
    states = ", ".join(f"{count} {state}" for state, count in sorted(outcome.states.items()))
    if not outcome.new:
        return f"{name}: nothing new in {source.text}; {plural(outcome.known, 'trial')} ({states})"
    before = f" to {outcome.known}" if outcome.known else ""
    return f"{name}: {plural(outcome.new, 'trial')} imported{before} from {source.text} ({states})"
