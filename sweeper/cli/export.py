"""The command that makes tables: export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli import completion
from sweeper.cli.options import (
    FormatChoice,
    IntervalChoice,
    LevelChoice,
    Shared,
    SpreadChoice,
    SweepName,
    comma_list,
    shares,
)
from sweeper.cli.output import named_sweep, news_console, results_console
from sweeper.cli.terminal.plain_text import write
from sweeper.errors import Problem, UsageError

COLUMNS = completion.listed(completion.columns)

if TYPE_CHECKING:
    import pandas as pd

    from sweeper.ledger.history import History
    from sweeper.ledger.paths import SweepDir

SPREADSHEETS = (".xlsx", ".xls", ".ods")
ENDINGS = {
    ".json": FormatChoice.json,
    ".md": FormatChoice.markdown,
    ".parquet": FormatChoice.parquet,
    ".tex": FormatChoice.latex,
    ".html": FormatChoice.html,
    ".htm": FormatChoice.html,
}


@shares("results", "no_color")
def export(
    sweep: SweepName,
    form: Annotated[
        FormatChoice | None,
        typer.Option("--format", "-f", help="The form of the table; else that of --output, else csv."),
    ] = None,
    level: Annotated[LevelChoice, typer.Option(help="What a row is.")] = LevelChoice.trial,
    columns: Annotated[
        str, typer.Option(help="Only these, comma-separated.", show_default=False, autocompletion=COLUMNS)
    ] = "",
    all_columns: Annotated[
        bool, typer.Option("--all-columns", help="On a terminal too, where only the important ones are shown.")
    ] = False,
    sort: Annotated[
        str, typer.Option(help="By these columns; -NAME descending.", show_default=False, autocompletion=COLUMNS)
    ] = "",
    where: Annotated[str, typer.Option(help="Only rows where this holds, as in a file.", show_default=False)] = "",
    pivot: Annotated[
        str,
        typer.Option(
            metavar="ROW,COL,METRIC", help="The metric over two parameters.", show_default=False, autocompletion=COLUMNS
        ),
    ] = "",
    spread: Annotated[SpreadChoice, typer.Option(help="Spread of a mean: std, or ci.")] = SpreadChoice.std,
    better: Annotated[
        bool | None,
        typer.Option("--maximize/--minimize", help="Which way the metric of a pivot is better.", show_default=False),
    ] = None,
    interval: Annotated[IntervalChoice, typer.Option(help="Of configurations: t, or bootstrap.")] = IntervalChoice.t,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else standard output.")] = None,
    *,
    shared: Shared,
) -> None:
    """Result tables: one row per trial, configuration, point of a curve, effect of a parameter or claim; or a pivot."""
    from sweeper.analysis import frames
    from sweeper.reporting.tables import tables, verdicts
    from sweeper.reporting.tables.configurations import expanded, is_metric

    form = form or _form_of(output)
    if form in (FormatChoice.parquet, FormatChoice.optuna) and output is None:
        raise UsageError(Problem(f"{form} is not text", key="--output", hint="add --output FILE"))
    sweep_dir = named_sweep(shared.results, sweep)
    if form is FormatChoice.optuna and output is not None:
        _study(sweep_dir, output)
        return
    known = frames.history(sweep_dir, curves=level is LevelChoice.curve)
    is_read = output is None and sys.stdout.isatty() and form is FormatChoice.csv
    if is_read and level in (LevelChoice.trial, LevelChoice.config) and not (columns or pivot or all_columns):
        _print_important(sweep_dir, level, sort, where, no_color=shared.no_color)
        return
    note = f"sweeper export of {sweep_dir.name}, hash {frames.digest(sweep_dir, known)}"
    if pivot:
        form = FormatChoice.markdown if is_read else form
        _pivot(sweep_dir, known, tables.Format(form), comma_list(pivot), spread, where, better, note, output)
        return
    if level is LevelChoice.claims:
        frame, methods = _claims(sweep_dir, known)
    else:
        frame, methods = _frame(sweep_dir, known, level, interval, f"{columns} {sort} {where}"), ""
    named, order = (_columns(sweep_dir, frame, comma_list(text)) for text in (columns, sort))
    absent = known.runs[-1].get("absent", {}) if known.runs else {}
    frame = tables.select(tables.filtered(frame, where, absent) if where else frame, (), order, absent)
    if level is LevelChoice.config and form.value in tables.MARKUP and any(is_metric(frame, name) for name in named):
        _configs(sweep_dir, frame, named, spread, form, note, output)
    elif level is LevelChoice.claims and not named and form.value in tables.MARKUP:
        table = tables.MARKUP[tables.Format(form)](verdicts.as_styled_table(frame, note))
        _write_text(f"{table}\n{methods}" if form is FormatChoice.latex else table, output)
    else:
        _write_frame(tables.select(frame, expanded(frame, named), (), absent), tables.Format(form), note, output)


def _form_of(output: Path | None) -> FormatChoice:
    """The form that the ending of a file's name stands for; csv where it stands for none."""
    ending = output.suffix.lower() if output is not None else ""
    if ending in SPREADSHEETS:
        hint = "write .csv: spreadsheets import it (separator: comma, decimal: point)"
        raise UsageError(Problem("a spreadsheet's own form is not written", "", "--output", str(output), hint=hint))
    return ENDINGS.get(ending, FormatChoice.csv)


def _print_important(sweep_dir: SweepDir, level: LevelChoice, sort: str, where: str, *, no_color: bool) -> None:
    """On a terminal: what varies, goals, headlines, n and state, as wide as that is; configurations the best first."""
    from sweeper.analysis.sweep_results import SweepResults
    from sweeper.cli.terminal.tables import print_important
    from sweeper.reporting.tables import tables

    results = SweepResults(sweep_dir)
    frame = results.configs if level is LevelChoice.config else results.trials
    frame = tables.filtered(frame, where, results.absent) if where else frame
    ranked = level is LevelChoice.config and "rank" in frame and not sort
    frame = tables.select(frame, (), ["rank"] if ranked else comma_list(sort))
    print_important(results_console(no_color), frame, results)
    news = news_console(no_color)
    news.print(f"{len(frame.columns)} columns in all: --all-columns, or --output FILE", style="dim", soft_wrap=True)


def _columns(sweep_dir: SweepDir, frame: pd.DataFrame, asked: list[str]) -> list[str]:
    """The columns asked for, where short names stand for whole ones."""
    from sweeper.analysis.sweep_results import SweepResults

    bare = [name.removeprefix("-") for name in asked]
    if all(name in frame.columns for name in bare):
        return asked
    results = SweepResults(sweep_dir)
    return [f"{'-' * name.startswith('-')}{results.named(one)}" for name, one in zip(asked, bare, strict=True)]


def _claims(sweep_dir: SweepDir, known: History) -> tuple[pd.DataFrame, str]:
    """The verdicts as a table, and the methods paragraph as LaTeX for below it."""
    from sweeper.analysis.claims.verify import as_frame, judge_sweep
    from sweeper.reporting.methods import paragraphs
    from sweeper.reporting.tables.markup import latex_text
    from sweeper.spec.load import load_run

    sweep = load_run(sweep_dir.spec)
    found = judge_sweep(sweep.claims, known, sweep_dir.folder, sweep.looks)
    return as_frame(found), latex_text(paragraphs(known, sweep.claims, found))


def _frame(
    sweep_dir: SweepDir, known: History, level: LevelChoice, interval: IntervalChoice, asked: str
) -> pd.DataFrame:
    from sweeper.analysis import frames
    from sweeper.analysis.columns import metric_columns
    from sweeper.analysis.sweep_results import SweepResults

    if level is LevelChoice.config:
        slow = interval is IntervalChoice.bootstrap  # then only of what is asked for, if anything is
        only = [name for name in metric_columns(known.planned()).values() if slow and name in asked]
        return frames.configs(sweep_dir, known, interval=interval, only=only, places=SweepResults(sweep_dir).places)
    if level is LevelChoice.effect:
        from sweeper.analysis import effects

        records = known.planned()
        return effects.as_frame([e for m in SweepResults(sweep_dir).headlines for e in effects.effects(records, m)])
    return frames.trials(sweep_dir, known) if level is LevelChoice.trial else frames.curves(sweep_dir, known)


def _configs(
    sweep_dir: SweepDir,
    frame: pd.DataFrame,
    columns: list[str],
    spread: SpreadChoice,
    form: str,
    note: str,
    output: Path | None,
) -> None:
    from sweeper.analysis.sweep_results import SweepResults, unit_of
    from sweeper.reporting.tables import configurations, tables
    from sweeper.reporting.tables.pivot import Spread

    results = SweepResults(sweep_dir)
    tables.select(frame, [name for name in columns if not configurations.is_metric(frame, name)], ())
    units = {name: unit_of(text) for name, text in results.descriptions.items()}
    table = configurations.as_styled_table(frame, columns, Spread(spread), results.maximize, units, note)
    _write_text(tables.MARKUP[tables.Format(form)](table), output)


def _pivot(
    sweep_dir: SweepDir,
    known: History,
    form: str,
    axes: list[str],
    spread: SpreadChoice,
    where: str,
    better: bool | None,
    note: str,
    output: Path | None,
) -> None:
    from sweeper.analysis.sweep_results import SweepResults, unit_of
    from sweeper.reporting.tables import pivot, tables
    from sweeper.trainer.metric_ranges import UNBOUNDED

    results = SweepResults(sweep_dir)
    trials = tables.filtered(results.trials, where) if where else results.trials
    axes = [results.named(name) for name in axes]
    metric = axes[-1] if axes else ""
    maximize = results.maximize(metric) if better is None else better
    unit, within = unit_of(results.descriptions.get(metric, "")), results.ranges.get(metric, UNBOUNDED)
    made = pivot.pivot(trials, results.varied, axes, maximize, unit, within)
    chosen = tables.Format(form)
    if chosen in tables.MARKUP:
        _write_text(
            tables.MARKUP[chosen](pivot.as_styled_table(made, pivot.Spread(spread), note, results.labels)), output
        )
    else:
        _write_frame(pivot.as_frame(made), chosen, note, output)


def _write_frame(frame: pd.DataFrame, form: str, note: str, output: Path | None) -> None:
    from sweeper.reporting.tables import tables

    chosen = tables.Format(form)
    if output is None:
        _write_text(tables.text(frame, chosen, note), None)
    else:
        tables.write(frame, chosen, output, note)


def _write_text(text: str, output: Path | None) -> None:
    from sweeper.reporting.tables import tables

    if output is None:
        write(text)
    else:
        tables.write_text(text, output)


def _study(sweep_dir: SweepDir, output: Path) -> None:
    from sweeper.reporting.tables import optuna_study

    count = optuna_study.write(sweep_dir.results, sweep_dir.name, output)
    news_console(no_color=False).print(f"{output}: an Optuna study of {count} trials")
