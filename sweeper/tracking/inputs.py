"""What the mirror needs of a sweep: where MLflow is, the experiment, and the files that its summary carries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.ledger.paths import SweepDir
from sweeper.reporting.commands import alone
from sweeper.spec.claims import Claim
from sweeper.spec.sweep import Sweep
from sweeper.tracking import mirror
from sweeper.tracking.experiment import Data, Experiment

PICTURES = ("*.png", "*.svg", "*.html")
DOCUMENTS = ("report.html",)


def tracking_uri(sweep: Sweep, results: Path) -> str:
    """Where the sweep is mirrored."""
    return sweep.tracking.uri or mirror.store_uri(results)


def mirror_input(sweep: Sweep, sweep_dir: SweepDir, run: Mapping[str, Any]) -> tuple[str, str, Experiment]:
    """What `Mirror` and `sync` want to know: store, artifacts, experiment. `run` is the ledger's entry of the last run.

    Nothing is imported or executed: the metrics that the trainer declares were written down by the run.
    """
    commit = str(run.get("commit") or "")
    experiment = Experiment(
        name=sweep.name,
        description=sweep.description,
        command=str(run.get("command") or f"sweeper run {sweep.source}"),
        tags={"mlflow.source.git.commit": commit} if commit else {},
        goals={goal.name: goal.maximize for goal in sweep.goals},
        declared=tuple(str(name) for name in run.get("metrics") or ()),
        data=[
            Data(Path(name).name, str(digest)[:36], "local", name) for name, digest in (run.get("data") or {}).items()
        ],
        alone=lambda trial: alone(sweep_dir.spec, trial),
        files=lambda: summary_files(sweep_dir, experiment, sweep.claims),
    )
    return tracking_uri(sweep, sweep_dir.results), mirror.artifact_root(sweep_dir.results), experiment


def summary_files(sweep_dir: SweepDir, experiment: Experiment, claims: Sequence[Claim]) -> dict[str, str | Path]:
    """The sweep file, tables, verdicts, provenance of every run, and what pictures and report there are, by name."""
    from sweeper.analysis import frames as results
    from sweeper.reporting.tables import tables

    known = results.history(sweep_dir)
    records = known.planned()
    trials, configs = results.trials(sweep_dir, known), results.configs(sweep_dir, known)
    metrics = experiment.headlines(results.metric_names(records))
    varied = dict.fromkeys(results.parameter_column(name) for record in records for name in record.trial.varied)
    short = [*varied, *(f"{name}.{part}" for name in metrics for part in ("mean", "std", "n"))]
    runs = [{name: value for name, value in run.items() if name not in ("order", "stopped")} for run in known.runs]
    files: dict[str, str | Path] = {
        "provenance.json": json.dumps(runs, indent=1, default=str) + "\n",
        "tables/trials.csv": tables.text(trials, tables.Format.CSV),
        "tables/configs.csv": tables.text(configs, tables.Format.CSV),
        "tables/configs.md": tables.text(tables.select(configs, short, ()), tables.Format.MARKDOWN),
    }
    if claims:
        from sweeper.analysis.claims.verify import judge  # here: the tests take half a second to import

        verdicts = [verdict.as_json() for verdict in judge(claims, records, sweep_dir.folder)]
        files["verdicts.json"] = json.dumps({"schema_version": 1, "verdicts": verdicts}, indent=1) + "\n"
    return files | dict(_there(sweep_dir))


def _there(sweep_dir: SweepDir) -> Iterator[tuple[str, Path]]:
    """Files of the sweep's own folder, by name; links are left out: in a stranger's folder they may lead anywhere."""
    folder, plots = sweep_dir.folder, sweep_dir.folder / "plots"
    wanted = [sweep_dir.spec, *(folder / name for name in DOCUMENTS)]
    if not plots.is_symlink():
        wanted += sorted(path for pattern in PICTURES for path in plots.glob(pattern))
    for path in wanted:
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path
