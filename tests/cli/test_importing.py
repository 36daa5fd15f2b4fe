from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Sweeper

TABLE = "x,seed,loss,acc\n" + "".join(f"{x},{s},{x + 0.1 * s},{0.9 - x / 10}\n" for x in (1, 2) for s in range(6))
MODEL = """\
name: model
metric: {name: loss, goal: minimize}
method: grid
parameters:
  x: {values: [1, 2], label: the step}
seeds: 6
expect:
  - {name: small is better, metric: loss, compare: {x: [1, 2]}, effect: less}
"""


@pytest.fixture
def table(folder: Path) -> Path:
    (folder / "model.yaml").write_text(MODEL)
    file = folder / "runs.csv"
    file.write_text(TABLE)
    return file


def test_a_table_becomes_a_sweep_that_is_only_read(table: Path, sweeper: Sweeper) -> None:
    done = sweeper("import", "old", table, "--from", "csv", "--like", "model.yaml", "--json")
    assert done.code == 0, done.err
    assert done.json()["new"] == 12
    rows = sweeper("export", "old").out.splitlines()
    assert rows[0] == "sweep,trial,config,seed,state,reason,x,loss,acc,steps,started_at,wall_s,device,code,commit"
    assert len(rows) == 13
    assert all(",imported," in row for row in rows[1:])
    verdict = sweeper("verify", "old", "--json").json()["verdicts"][0]
    assert (verdict["outcome"], verdict["status"], verdict["results_seen"]) == ("pass", "exploratory", 12)
    assert sweeper("verify", "old", "--strict").code == 3
    assert sweeper("verify", "old", "--audit").code == 0
    assert sweeper("list", "--json").json()["sweeps"][0]["state"] == "imported"
    shown = sweeper("show", "old", rows[1].split(",")[1])
    assert "again, alone" not in shown.out
    for command in ("run", "plan"):
        refused = sweeper(command, "model.yaml", "name=old", "trainer=quadratic:train")
        assert refused.code == 2
        assert "a sweep of this name was imported, and is only read" in refused.err


def test_importing_again_adds_and_never_changes(table: Path, sweeper: Sweeper) -> None:
    command = ("import", "old", table, "--from", "csv", "--params", "x", "--metrics", "loss:minimize,acc")
    assert sweeper(*command).out == "old: 12 trials imported from runs.csv (12 completed)\n"
    ledger = Path("results/old/ledger.jsonl")
    before = ledger.read_bytes()
    again = sweeper(*command)
    assert (again.code, again.out) == (0, "old: nothing new in runs.csv; 12 trials (12 completed)\n")
    assert ledger.read_bytes() == before
    table.write_text(TABLE + "3,0,9,0.1\n")
    assert sweeper(*command).out == "old: 1 trial imported to 12 from runs.csv (13 completed)\n"
    assert ledger.read_bytes().startswith(before)
    table.write_text(TABLE.replace("1,0,1.0,", "1,0,1.5,") + "3,0,9,0.1\n")
    changed = sweeper(*command)
    assert changed.code == 2
    assert f"{table}:2: loss: not as it was imported before\n  found: 1.5\n  allowed: 1, as before" in changed.err
    table.write_text(TABLE)
    gone = sweeper(*command)
    assert gone.code == 2
    assert "1 of the 13 trials imported before are not in the source\n  found: x=3 seed=0" in gone.err


def test_an_attempt_that_failed_gives_way_to_the_one_that_completes(table: Path, sweeper: Sweeper) -> None:
    command = ("import", "old", table, "--from", "csv", "--params", "x", "--metrics", "loss")
    table.write_text("trial,state,x,seed,loss\na,failed,1,0,\nb,completed,2,0,1\n")
    assert sweeper(*command).code == 0
    with table.open("a") as file:
        file.write("c,completed,1,0,0.5\n")
    assert sweeper(*command).out == "old: 1 trial imported to 1 from runs.csv (2 completed)\n"
    states = sweeper("export", "old", "--columns", "x,state,loss").out
    assert states == "x,state,loss\n2,completed,1.0\n1,completed,0.5\n"
    assert "nothing new" in sweeper(*command).out


def test_an_import_is_compared_with_a_sweep_trained_here(toy: Path, sweeper: Sweeper) -> None:
    assert sweeper("run", toy, "--runner", "inprocess", "seeds=1").code == 0
    rows = [row.split(",") for row in sweeper("export", "toy", "--columns", "x,seed,loss").out.splitlines()]
    Path("toy.csv").write_text("\n".join(",".join(row) for row in rows))
    taken = sweeper("import", "toy", "toy.csv", "--from", "csv", "--metrics", "loss")
    assert taken.code == 2
    assert "a sweep of this name was trained here" in taken.err
    assert sweeper("import", "other", "toy.csv", "--from", "csv", "--metrics", "loss").code == 0
    found = sweeper("compare", "toy", "other", "--json").json()
    assert (found["both"], found["only_a"], found["only_b"], found["same_trials"]) == (4, [], [], 0)
    assert found["metrics"][0]["overall"]["shift"] == 0
    assert sweeper("run", toy, "--dry-run", "--json").json()["cached"] == 4


PRIOR = """\
name: new
trainer: quadratic:train
metric: {name: loss, goal: minimize}
method: tpe
parameters: {x: {min: 1.0, max: 3.0}}
sampler: {prior: [old]}
budget: {trials: 2}
"""


def test_a_search_begins_with_the_results_of_an_import(folder: Path, sweeper: Sweeper) -> None:
    Path("old.csv").write_text("x,y,loss\n1,5,0.5\n2,5,0.1\n2.5,5,0.2\n7,5,0.3\n3,5,\n")
    assert sweeper("import", "old", "old.csv", "--from", "csv", "--metrics", "loss:minimize").code == 0
    Path("new.yaml").write_text(PRIOR)
    done = sweeper("run", "new.yaml", "--runner", "inprocess")
    assert done.code == 0, done.err
    assert "begins with 3 of 4 configurations of prior sweeps" in done.err  # 7 is not in its space, 3 has no loss
    again = sweeper("run", "new.yaml", "budget.trials=3", "--runner", "inprocess")
    assert "3 of 4" in again.err
    assert len(sweeper("export", "new").out.splitlines()) == 1 + 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sampler.prior=[older]"], "sampler.prior: no such sweep"),
        (["sampler.prior=[new]"], "sampler.prior: the sweep itself"),
        (["sampler.prior=[../old]"], "sampler.prior: this name cannot be a folder"),
        (["method=random"], "sampler.prior: only a search learns from earlier results"),
    ],
)
def test_a_prior_that_is_none_is_refused(folder: Path, sweeper: Sweeper, words: list[str], message: str) -> None:
    Path("new.yaml").write_text(PRIOR)
    refused = sweeper("run", "new.yaml", *words, "--runner", "inprocess")
    assert (refused.code, message in refused.err) == (2, True), refused.err
    assert not Path("results").exists()
    planned = sweeper("plan", "new.yaml", *words)
    assert (planned.code, message in planned.err) == (2, True), planned.err


def test_a_report_of_an_import_names_its_source_and_offers_no_run(table: Path, sweeper: Sweeper) -> None:
    assert sweeper("import", "old", table, "--from", "csv", "--like", "model.yaml").code == 0
    assert sweeper("report", "old").code == 0
    page = Path("results/old/report.html").read_text()
    assert "All trials were imported (csv: runs.csv)" in page
    assert "sweeper run old.yaml" not in page
    dropped = sweeper("import", "old", table, "--from", "csv", "--params", "x")
    assert dropped.code == 2
    assert "the claims of the earlier import would be lost" in dropped.err
