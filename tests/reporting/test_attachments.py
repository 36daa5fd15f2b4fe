"""The files that travel with a finished sweep, from its folder alone."""

from __future__ import annotations

import json
from pathlib import Path

from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.attachments import SweepAttachments
from tests.records import make_life, make_trial

TEXT = """\
name: toy
trainer: nobody:train
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2]}}
expect: [{name: high, metric: score, best: {at_least: 0.9}}]
"""


def a_sweep(folder: Path) -> SweepDir:
    """A ledger of two trials, of a trainer that nobody can import."""
    sweep_dir = SweepDir(folder / "results", "toy")
    trials = [make_trial(0, x=1), make_trial(0, x=2)]
    with Ledger(sweep_dir) as book:
        book.run(TEXT, {}, trials, read_history(sweep_dir))
        for event in (event for trial in trials for event in make_life(trial, 0.5)):
            book.record(event)
    return sweep_dir


def test_the_sweep_file_tables_verdicts_provenance_plots_and_report_are_attached(tmp_path: Path) -> None:
    sweep_dir = a_sweep(tmp_path)
    (sweep_dir.folder / "plots").mkdir()
    (sweep_dir.folder / "plots" / "heatmap.png").write_bytes(b"png")
    (sweep_dir.folder / "report.html").write_text("<p>")
    files = SweepAttachments(sweep_dir).files()
    tables = {"verdicts.json", "tables/trials.csv", "tables/configs.csv", "tables/configs.md", "provenance.json"}
    assert set(files) == {"sweep.yaml", "report.html", "plots/heatmap.png", *tables}
    assert str(files["tables/configs.md"]).startswith("| x | score.mean | score.std | score.n |")
    assert [one["outcome"] for one in json.loads(str(files["verdicts.json"]))["verdicts"]] == ["fail"]
    assert str(files["tables/trials.csv"]).count("completed") == 2


def test_links_in_a_strangers_folder_are_not_followed(tmp_path: Path) -> None:
    sweep_dir = a_sweep(tmp_path)
    (secret := tmp_path / "secret.html").write_text("secret")
    (sweep_dir.folder / "report.html").symlink_to(secret)
    (sweep_dir.folder / "plots").symlink_to(tmp_path)
    files = SweepAttachments(sweep_dir).files()
    assert not [name for name in files if name.endswith(".html")]
