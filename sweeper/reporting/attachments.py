"""The files that travel with a finished sweep, wherever its runs are tracked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import LedgerError
from sweeper.ledger.paths import SweepDir

PLOTS = ("*.png", "*.svg", "*.html")
DOCUMENTS = ("report.html",)


@dataclass(frozen=True, slots=True)
class SweepAttachments:
    """The sweep file, tables, verdicts, the provenance of every run, and what plots and report there are."""

    sweep_dir: SweepDir

    def files(self) -> dict[str, str | Path]:
        """Name -> text or file, read from the sweep's folder now. Raises UsageError, LedgerError and OSError."""
        from sweeper.analysis.sweep_results import SweepResults  # here: pandas takes half a second to import
        from sweeper.reporting.tables import tables

        results = SweepResults(self.sweep_dir)
        short = [*results.varied, *(f"{name}.{part}" for name in results.headlines for part in ("mean", "std", "n"))]
        runs = [{key: run[key] for key in run if key not in ("order", "stopped")} for run in results.history.runs]
        made: dict[str, str | Path] = {
            "provenance.json": json.dumps(runs, indent=1, default=str) + "\n",
            "tables/trials.csv": tables.text(results.trials, tables.Format.CSV),
            "tables/configs.csv": tables.text(results.configs, tables.Format.CSV),
            "tables/configs.md": tables.text(tables.select(results.configs, short, ()), tables.Format.MARKDOWN),
        }
        if results.sweep is not None and results.sweep.claims:
            from sweeper.analysis.claims.verify import judge_sweep  # here: scipy takes as long

            verdicts = judge_sweep(results.sweep.claims, results.history, self.sweep_dir.folder, results.sweep.looks)
            document = {"schema_version": 1, "verdicts": [verdict.as_json() for verdict in verdicts]}
            made["verdicts.json"] = json.dumps(document, indent=1) + "\n"
        return made | dict(self._existing())

    def _existing(self) -> Iterator[tuple[str, Path]]:
        """Files of the sweep's own folder, by name, without those that are links out of the results folder."""
        names = ["sweep.yaml", *DOCUMENTS]
        names += sorted(f"plots/{path.name}" for each in PLOTS for path in (self.sweep_dir.folder / "plots").glob(each))
        for name in names:
            with contextlib.suppress(LedgerError):
                if (path := self.sweep_dir.path(name)).is_file():
                    yield name, path
