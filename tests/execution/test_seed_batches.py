"""Seeds until the claims are decided: who gets more, when it ends, and that a killed run decides the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.claims.verify import verdicts
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from tests.conftest import Sweeper
from tests.execution import runs

# The score is a + 2 b + noise of sd 0.5 (tests/trainers/noisy.py), so that `near` is true but hardly seen.
DECIDED = """\
name: toy
trainer: noisy:train
base: {gain: 2, spread: 0.5}
resources: {gpu: 0}
parameters: {a: {values: [0, 5]}, b: {values: [0, 1]}}
seeds: {start: 6, max: 16, until: decided, looks: 4}
expect:
  - {name: yes, metric: score, where: a == 0, compare: {b: [1, 0]}, min_gain: 0.5}
  - {name: no, metric: score, where: a == 0, compare: {b: [1, 0]}, min_gain: 4}
  - {name: near, metric: score, where: a == 5 and b == 0, mean: {at_least: 4.8}}
"""


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(DECIDED)
    return path


def known(folder: Path) -> History:
    return read_history(SweepDir(folder / "results", "toy"))


def seeds(folder: Path) -> dict[tuple[float, float], int]:
    """How many seeds each (a, b) has a result of."""
    found = Counter(
        (record.trial.params["a"], record.trial.params["b"]) for record in known(folder).planned() if record.ended
    )
    return dict(found)  # type: ignore[arg-type]


def decisions(folder: Path) -> list[tuple[str, int, float, str]]:
    return sorted((one.claim, one.seeds, one.level, one.outcome) for one in known(folder).claim_looks)


def judged(folder: Path) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in verdicts(SweepDir(folder / "results", "toy"))}


def test_seeds_are_added_only_where_a_claim_is_undecided(file: Path) -> None:
    runs.train(file)
    found = judged(file.parent)
    assert found["yes"].outcome == "pass"
    assert found["no"].outcome in ("fail", "undecided")
    counts = seeds(file.parent)
    assert counts[5, 1] == 6  # no claim is about it
    assert counts[0, 0] == counts[0, 1] < 16
    assert counts[5, 0] > counts[0, 0]
    assert all(one.status == "registered" for one in found.values())
    assert found["yes"].level is not None
    assert found["yes"].p is not None
    assert found["yes"].p <= found["yes"].level < 0.05


def test_a_finished_sweep_has_nothing_to_do(file: Path, sweeper: Sweeper) -> None:
    first = sweeper("run", "toy.yaml", "--runner", "inprocess", "--json")
    before = (file.parent / "results/toy/ledger.jsonl").read_bytes()
    again = sweeper("run", "toy.yaml", "--runner", "inprocess", "--json")
    assert (again.code, again.json()["trained"]) == (first.code, 0)
    assert (file.parent / "results/toy/ledger.jsonl").read_bytes() == before
    assert "yes: pass at" in first.err


def test_a_ledger_cut_off_anywhere_goes_on_to_the_same_decisions(file: Path, tmp_path: Path) -> None:
    runs.train(file)
    whole, expected = known(file.parent), decisions(file.parent)
    lines = (file.parent / "results/toy/ledger.jsonl").read_bytes().splitlines(keepends=True)
    kinds = [json.loads(line)["e"] for line in lines]
    looks = [number for number, kind in enumerate(kinds) if kind == "look"]
    assert len(looks) > 3
    cuts = {
        cut for number in looks for cut in (number, number + 1, number + 2)
    }  # before a look, after it, after `more`
    for cut in sorted(cuts | {len(lines) - 1, kinds.index("end") + 1}):
        other = tmp_path / f"cut-{cut}" / "toy.yaml"
        (other.parent / "results/toy").mkdir(parents=True)
        other.write_text(DECIDED)
        (other.parent / "results/toy/sweep.yaml").write_bytes((file.parent / "results/toy/sweep.yaml").read_bytes())
        (other.parent / "results/toy/ledger.jsonl").write_bytes(b"".join(lines[:cut]))
        runs.train(other)
        assert decisions(other.parent) == expected, f"cut after line {cut}"
        assert known(other.parent).records.keys() == whole.records.keys()
        assert known(other.parent).chain.breaks == []


KILLED = """\
import os, signal, sys
from pathlib import Path
from sweeper.execution.runner import run_in_process
from sweeper.trial import Ended, Started
from tests.execution import runs

for kind, count in ((Ended, 24), (Started, 1), (Ended, 2), (None, 0)):  # a batch's last end is written, its look is not
    if (child := os.fork()) == 0:
        with runs.opened(Path("toy.yaml")) as (session, notes):
            seen = 0
            class Killer:
                def push(self, trial, event):
                    global seen
                    seen += kind is not None and isinstance(event, kind)
                    if kind is not None and seen == count:
                        os.kill(os.getpid(), signal.SIGKILL)
            session.log.watchers = (Killer(),)
            run_in_process(session)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WIFSIGNALED(status))
"""


def test_a_killed_run_goes_on_to_the_same_decisions(file: Path) -> None:
    undisturbed = file.parent / "undisturbed" / "toy.yaml"
    undisturbed.parent.mkdir()
    undisturbed.write_text(DECIDED)
    runs.train(undisturbed)
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{KILLED}"
    done = subprocess.run([sys.executable, "-c", code], cwd=file.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "True", "False"]
    assert decisions(file.parent) == decisions(undisturbed.parent)
    assert seeds(file.parent) == seeds(undisturbed.parent)


def test_the_last_seed_may_be_changed_and_what_was_decided_stays(file: Path) -> None:
    runs.train(file, "seeds.max=8", "seeds.futility=0")
    before = decisions(file.parent)
    runs.train(file, "seeds.max=16", "seeds.futility=0")
    after = decisions(file.parent)
    decided = {one[0] for one in before if one[3] in ("pass", "fail")}
    assert decided
    assert [one for one in after if one[0] in decided] == [one for one in before if one[0] in decided]
    assert max(one[1] for one in after) == 16
    late = judged(file.parent)["near"]
    assert late.spent is not None
    assert late.spent > 0.05
    assert "a null claim passes with" in late.sentence


def test_results_of_a_longer_sweep_are_taken_not_trained(file: Path) -> None:
    runs.train(file, "seeds=11", "~expect")
    session = runs.train(file)
    assert {record.trial.seed for record in session.records.values() if not record.ended} == set()
    assert session.budgets.trained == sum(max(0, count - 11) for count in seeds(file.parent).values())
    assert judged(file.parent)["yes"].status == "exploratory"


def test_results_of_another_sweep_are_reused_in_later_batches(file: Path) -> None:
    runs.train(file, "seeds=16", "~expect", "name=other")
    session = runs.train(file)
    assert session.budgets.trained == 0
    assert seeds(file.parent)[5, 0] > 6


def test_a_diverged_seed_is_missing_and_a_look_does_not_wait_for_it(file: Path) -> None:
    runs.train(file, "diverging=[0,7]")
    found = judged(file.parent)["yes"]
    assert found.outcome == "pass"
    assert "lost" in found.sentence


def test_a_budget_stops_between_looks_and_the_next_run_goes_on(file: Path) -> None:
    session = runs.train(file, "budget.trials=26")
    assert session.stop.why
    runs.train(file)
    other = file.parent / "whole" / "toy.yaml"
    other.parent.mkdir()
    other.write_text(DECIDED)
    runs.train(other)
    assert decisions(file.parent) == decisions(other.parent)


def test_a_verdict_that_its_results_do_not_give_is_undecided(file: Path) -> None:
    runs.train(file)
    near = max(known(file.parent).claim_looks, key=lambda look: look.seeds)
    with Ledger(SweepDir(file.parent / "results", "toy")) as book:
        book.look([replace(near, outcome="fail", test="signflip")])
    found = judged(file.parent)["near"]
    assert (found.outcome, found.status) == ("undecided", "registered")
    assert "the look was by the test signflip, this is by t" in found.sentence
    assert "the ledger has fail at this look, its results give pass" in found.sentence


@pytest.mark.ray
def test_on_ray_the_same_claims_are_decided_with_the_same_seeds(file: Path, sweeper: Sweeper) -> None:
    said = sweeper("run", "toy.yaml", "--quiet", "--max-concurrent", 1)
    assert said.code in (0, 3), said.err
    other = file.parent / "here" / "toy.yaml"
    other.parent.mkdir()
    other.write_text(DECIDED)
    runs.train(other)
    assert decisions(file.parent) == decisions(other.parent)
    assert seeds(file.parent) == seeds(other.parent)
