"""The command of `notify:` in real processes: what it gets, and that nothing it does harms the sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sweeper.errors import Exit, LedgerError, Problem
from sweeper.execution.runner import run_in_process
from sweeper.execution.steering import notices
from sweeper.execution.steering.notices import Notices
from sweeper.spec.load import load_spec
from tests.execution import runs

TOY = """\
name: toy
trainer: naughty:by_name
metric: {name: score, goal: maximize}
parameters: {deed: {values: [raise, nan, raise, good]}}
seeds: {start: 2, max: 4, until: decided}
retry: {max: 0}
notify: {command: [%s], failures: 2}
expect:
  - {name: good is low, metric: score, where: "deed == 'good'", mean: {at_most: 1}}
"""
KEEP = """
import os, sys
open("notices", "a").write(sys.stdin.read() + "\\n")
open("texts", "a").write(os.environ["SWEEPER_NOTICE"] + "\\n")
"""


def train(folder: Path, *command: str) -> list[str]:
    """Train the sweep with this command for notices; returns the messages."""
    file = folder / "toy.yaml"
    file.write_text(TOY % ", ".join(map(json.dumps, command)))
    said: list[str] = []
    with Notices(load_spec(file), folder / "results" / "toy", said.append) as made:
        with runs.opened(file) as (session, _):
            session.log.watchers = (made,)
            assert session.batches is not None
            session.batches.decided = made.decided
            run_in_process(session)
            code = session.end()
        made.ended(code, "", list(session.records.values()))
    return said


def test_a_command_gets_the_streak_the_decided_claim_and_the_end(folder: Path) -> None:
    assert train(folder, sys.executable, "-c", KEEP) == []
    found = [json.loads(line) for line in (folder / "notices").read_text().splitlines()]
    assert [one["event"] for one in found] == ["failures", "claim", "end"]
    assert "bad luck" in found[0]["reason"]
    assert (found[1]["claim"], found[1]["outcome"]) == ("good is low", found[2]["claims"]["good is low"])
    assert found[2]["exit_code"] == Exit.TRIALS_FAILED
    assert (folder / "texts").read_text().splitlines() == [one["text"] for one in found]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-command"], "No such file"),
        ([sys.executable, "-c", "raise SystemExit('not reached')"], "exit code 1 not reached"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "ended after 0 s"),
        (["sh", "-c", "exec 0<&-; exit 3"], "exit code 3"),
    ],
)
def test_a_command_that_fails_or_hangs_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], message: str
) -> None:
    monkeypatch.setattr(notices, "LIMIT_S", 0.3 if "time" in command[-1] else 30.0)
    said = train(folder, *command)
    assert len(said) == 3
    assert all(message in text for text in said)


def test_a_run_that_breaks_off_is_worth_a_notice(folder: Path) -> None:
    (folder / "toy.yaml").write_text(TOY % ", ".join(map(json.dumps, [sys.executable, "-c", KEEP])))
    with pytest.raises(LedgerError), Notices(load_spec(folder / "toy.yaml"), folder / "results" / "toy", print):
        raise LedgerError(Problem("the disk is full"))
    found = json.loads((folder / "notices").read_text())
    assert (found["event"], found["text"]) == ("end", "toy broke off: the disk is full")
