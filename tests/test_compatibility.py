"""A results folder that sweeper 0.1.0 (commit e07995a) wrote: today's code goes on with it as its own did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from operator import gt, lt
from pathlib import Path

import pytest

from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trainer.metric_ranges import bundled_ends
from sweeper.trial import State
from tests.conftest import Sweeper
from tests.execution import runs

WRITTEN = Path(__file__).parent / "fixtures" / "v0_1_0"
SWEEPS = ["mine", "bundled"]  # a trainer of a user's own, with a module beside it; the bundled trainer in packs of 4


@pytest.fixture
def old(folder: Path) -> Path:
    shutil.copytree(WRITTEN, folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("name", SWEEPS)
def test_nothing_is_left_to_train(old: Path, sweeper: Sweeper, name: str) -> None:
    plan = sweeper("plan", f"{name}.yaml", "--json").json()
    assert (plan["to_run"], plan["stale"], plan["cached"]) == (0, 0, plan["trials"])
    said = sweeper("run", f"{name}.yaml", "--runner", "inprocess", "--json").json()
    assert (said["exit_code"], said["trained"]) == (0, 0)


@pytest.mark.parametrize("name", SWEEPS)
def test_the_tables_are_the_same(old: Path, sweeper: Sweeper, name: str) -> None:
    assert sweeper("export", name).out == (old / f"{name}.csv").read_text()
    configs = _cut(old / f"{name}-configs.csv", bundled_ends("cvae") if name == "bundled" else {})
    header = configs.partition("\n")[0]  # columns that are new since then stand between them
    assert sweeper("export", name, "--level", "config", "--columns", header).out == configs


def _cut(table: Path, ends: Mapping[str, tuple[float, float]]) -> str:
    """The table as it was written, but for intervals beyond the range of a metric: they end there now."""
    header, *rows = (line.split(",") for line in table.read_text().splitlines())
    for row in rows:
        for name, (least, most) in ends.items():
            for column, end, is_beyond in ((f"{name}.ci_low", least, lt), (f"{name}.ci_high", most, gt)):
                if column in header and is_beyond(float(row[header.index(column)]), end):
                    row[header.index(column)] = str(end)
    return "".join(",".join(row) + "\n" for row in (header, *rows))


def test_a_sweep_is_extended_and_another_reuses_its_trials(old: Path, sweeper: Sweeper) -> None:
    more = sweeper("run", "mine.yaml", "seeds=4", "--runner", "inprocess", "--json").json()
    assert (more["trials"], more["trained"]) == (8, 2)
    other = sweeper("plan", "mine.yaml", "name=other", "seeds=4", "--json").json()
    assert (other["reused"], other["to_run"]) == (8, 0)


def test_a_setting_added_later_leaves_earlier_results_where_they_were(old: Path, sweeper: Sweeper) -> None:
    """With its old value trials are the old ones (stale, as the code changed), in tables and in what varies it."""
    mine = (old / "mine.py").read_text().replace('+ params["seed"]', '+ params["seed"] + params["shift"]')
    mine = mine.replace('{"x": 0.0}', '{"x": 0.0, "shift": 1.0}')  # today's default need not be the old value
    (old / "mine.py").write_text(mine + 'train.added = {"shift": 0.0}\n')
    plan = sweeper("plan", "mine.yaml", "shift=0", "--json").json()
    assert (plan["to_run"], plan["stale"]) == (0, 6)
    claim = "{name: c, metric: score, compare: {shift: [1, 0]}, min_gain: 0.5}"
    (old / "mine.yaml").write_text((old / "mine.yaml").read_text().replace("expect:", f"expect:\n  - {claim}"))
    assert sweeper("run", "mine.yaml", "shift=0,1", "--runner", "inprocess", "--json").json()["trained"] == 6
    rows = sweeper("export", "mine", "--columns", "x,shift,seed,score", "--where", "seed == 1").out.split()
    assert rows == ["x,shift,seed,score", "1.0,0,1,1.75", "1.0,1,1,2.75", "2.5,0,1,2.875", "2.5,1,1,3.875"]
    assert sweeper("verify", "mine", "--json").json()["verdicts"][0]["outcome"] == "pass"


def test_a_trial_that_was_called_failed_for_stopping_goes_on_from_its_checkpoint(old: Path) -> None:
    session = runs.train(old / "stopped.yaml")
    (record,) = session.records.values()
    assert (record.state, record.attempt) == (State.COMPLETED, 2)
    assert record.started is not None
    assert record.started.step == 12
    undisturbed = json.loads((old / "stopped-undisturbed.jsonl").read_text().splitlines()[-2])["metrics"]
    ended = record.ended.metrics if record.ended else {}
    assert_equal({name: ended[name] for name in undisturbed}, undisturbed)


def test_the_bundled_trainer_gives_the_same_numbers(old: Path) -> None:
    before = read_history(SweepDir(old / "results", "bundled")).records
    shutil.rmtree(old / "results")
    after = runs.train(old / "bundled.yaml").records
    assert after.keys() == before.keys()
    for key, record in after.items():
        ended, earlier = record.ended, before[key].ended
        assert ended is not None
        assert earlier is not None
        assert_equal({name: ended.metrics[name] for name in earlier.metrics}, earlier.metrics)  # there may be new ones


def assert_equal(found: object, expected: object) -> None:
    """Up to the last bits: another processor may sum in another order."""
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
