"""The commands that steer a run, as people type them, against a real driver on Ray; and where nobody runs the sweep."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeper.cli.app import app
from sweeper.errors import UsageError
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State
from tests.execution import runs
from tests.execution.drivers import DriverProcess

SLOW = """\
name: toy
trainer: naughty:slow
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2, 3, 4]}, reports: {values: [9001, 9000, 3, 2]}}
zip: [[x, reports]]
resources: {max_concurrent: 2}
tracking: {uri: "http://127.0.0.1:9"}
"""


def steer(*words: str) -> str:
    """What a command prints. Raises UsageError where it is refused."""
    return CliRunner().invoke(app, words, catch_exceptions=False).output


def test_without_a_driver_it_is_wrong_usage_and_nothing_is_left(toy: Path) -> None:
    runs.train(toy)
    for name, message in (("toy", "this sweep is not running"), ("other", "no such sweep")):
        with pytest.raises(UsageError, match=message) as raised:
            steer("stop", name)
        assert raised.value.exit_code == 2
    assert not (toy.parent / "results" / "toy" / "commands").exists()


@pytest.mark.ray
def test_a_run_on_ray_is_steered_from_another_terminal(folder: Path) -> None:
    (folder / "toy.yaml").write_text(SLOW)
    driver = DriverProcess([sys.executable, "-m", "sweeper", "run", "toy.yaml"], folder, folder / "news.txt")
    sweep_dir = SweepDir(folder / "results", "toy")
    driver.wait_for_more(sweep_dir.ledger, b'"e":"start"', 2)
    assert steer("pause", "toy", "--reason", "a colleague needs it").startswith(
        "toy: paused: no new trial starts, 2 run"
    )
    keys = list(read_history(sweep_dir).order)
    assert json.loads(steer("stop", "toy", "--where", "x == 4", "--json"))["trials"] == [keys[3]]
    text = steer("stop", "toy", "--trial", keys[0][:8])
    assert re.fullmatch(r"toy: 1 trial in a pack will stop at the next report \(answered after [01]\.\d s\)\n", text)
    with pytest.raises(UsageError, match="room for at most 2 packs"):
        steer("set", "toy", "max_concurrent=3")
    assert steer("set", "toy", "max_concurrent=1", "budget.wall=2h").startswith("toy: set max_concurrent=1")
    assert steer("resume", "toy").startswith("toy: resumed: 1 trial waiting (answered after")
    driver.wait_for_more(sweep_dir.curves, count=2)
    assert steer("stop", "toy", "--where", "score > 0 and x == 2").startswith(
        "toy: 1 trial in a pack will stop at the next report"
    )
    assert driver.process.wait(60) == 0, driver.news.read_text()
    history = read_history(sweep_dir)
    states = [record.state for record in history.planned()]
    assert states == [State.STOPPED, State.STOPPED, State.COMPLETED, State.STOPPED]
    assert [len(history.commands), history.commands[0]["reason"]] == [6, "a colleague needs it"]
    assert list(sweep_dir.commands.iterdir()) == []
    assert "3 stopped" in driver.news.read_text()
