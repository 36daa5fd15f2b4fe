"""A search whose process is killed again and again: nothing is lost or doubled, and Optuna's states are right."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.planning.trial_factory import TrialFactory
from sweeper.search.proposals import Proposals
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from sweeper.trial import Started, State, canonical_json
from tests.execution import runs
from tests.search.searches import ended

SEARCH = """\
name: toy
trainer: quadratic:train
metric: {name: loss, goal: minimize}
method: %s
seeds: 2
parameters: {x: {min: -5.0, max: 5.0}, target: {min: 0.0, max: 2.0}}
budget: {trials: 24}
"""
CONFIGS = 12

# Run in a process of its own: a child runs the sweep, and kills itself when trial k + 1 has just begun.
KILLED = """\
import os, signal, sys
from pathlib import Path
import cmaes, optuna, scipy.stats  # once, not in every child
from sweeper.execution.runner import run_in_process
from tests.execution import runs
from sweeper.trial import Started

file, k = Path("toy.yaml"), int(sys.argv[1])
deaths = 0
while True:
    if (child := os.fork()) == 0:
        begun = 0
        with runs.opened(file) as (session, notes):
            class Killer:
                def push(self, trial, event):
                    global begun
                    begun += isinstance(event, Started)
                    if begun > k:
                        os.kill(os.getpid(), signal.SIGKILL)
            session.log.watchers = (Killer(),)
            run_in_process(session)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    deaths += 1
    print("killed", deaths, flush=True)
"""


def killed_after_every(k: int, folder: Path) -> int:
    """How often the search was killed before it came to its end."""
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{KILLED}"
    done = subprocess.run([sys.executable, "-c", code, str(k)], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return len(done.stdout.splitlines())


def points(folder: Path) -> list[str]:
    """The configurations in the order in which they were proposed."""
    known = read_history(SweepDir(folder / "results", "toy"))
    return list(dict.fromkeys(canonical_json(record.trial.varied) for record in known.planned()))


def states_of_optuna(file: Path) -> Counter[str]:
    """Those of a study that is rebuilt from the ledger. FAIL is how a running trial makes room for its result."""
    again = Proposals(load_spec(file), TrialFactory.of(load_spec(file), trainer.find("quadratic:train")))
    again.begin(read_history(SweepDir(file.parent / "results", "toy"), curves=True).planned())
    counts = Counter(trial.state.name for trial in again.search._study.trials)
    del counts["FAIL"]
    return counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "k", "early"),
    [
        *(("tpe", k, "") for k in range(1, 11)),
        *((other, 4, "") for other in ("cmaes", "nsga2")),
        ("tpe", 4, "early_terminate: {type: asha, min_steps: 1}\n"),
    ],
)
def test_a_search_killed_after_every_kth_trial_loses_and_doubles_nothing(
    folder: Path, method: str, k: int, early: str
) -> None:
    file, undisturbed = folder / "toy.yaml", folder / "undisturbed" / "toy.yaml"
    undisturbed.parent.mkdir()
    for path in (file, undisturbed):
        path.write_text(SEARCH % method + early)
    assert killed_after_every(k, folder) == 23 // k
    known = read_history(SweepDir(folder / "results", "toy"))
    ends = Counter(record.state for record in known.planned())
    assert ends[State.COMPLETED] + ends[State.PRUNED] == 24
    assert bool(early) == (ends[State.PRUNED] > 0)
    assert Counter(Counter(record.trial.config for record in known.planned()).values()) == {2: CONFIGS}
    lines = (folder / "results" / "toy" / "ledger.jsonl").read_text().splitlines()
    assert sum('"e":"end"' in line for line in lines) == 24, "no trial ended twice"
    optuna = states_of_optuna(file)
    assert optuna["COMPLETE"] + optuna["PRUNED"] == sum(optuna.values()) == CONFIGS
    runs.train(undisturbed)
    same = k // 2 + 1  # up to the first death; then the sampler draws other numbers
    assert points(folder)[:same] == points(undisturbed.parent)[:same]


def test_the_states_of_a_rebuilt_study_are_those_of_the_trials(folder: Path) -> None:
    file = folder / "toy.yaml"
    file.write_text(SEARCH % "tpe")
    with runs.opened(file) as (session, _):
        for state in (State.COMPLETED, State.PRUNED, State.DIVERGED, State.FAILED, State.RUNNING, State.PENDING):
            for _ in range(2):
                pack = session.next_pack()
                assert pack is not None
                end = replace(ended(state, loss=1.0), trial=pack.jobs[0].trial)
                if state is not State.PENDING:
                    session.record(Started(end.trial, 1, 1.0, "cpu", "here"))
                if state.is_result or state is State.FAILED:
                    session.record(replace(end, attempt=9))
    assert states_of_optuna(file) == {"COMPLETE": 2, "PRUNED": 1, "RUNNING": 2}  # a diverged one counts as the worst
