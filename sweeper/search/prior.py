"""Results of other sweeps that a search begins with: `sampler: {prior: [NAME, ...]}`.

They may be sweeps that were trained here, or imported. Only what completed and has every goal is taken; settings that
are no parameters of the search may differ, which is for the one who names the sweep to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sweeper.errors import Problem
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.spec.sweep import Sweep
from sweeper.trial import Ended, Params, State, by_config

Result = tuple[Params, Sequence[Ended]]  # a configuration's values of the parameters, and the ends of its seeds


def missing(sweep: Sweep, results: Path) -> Iterator[Problem]:
    """Prior sweeps that are not in the results folder."""
    for name in sweep.prior:
        if not SweepDir(results, name).ledger.exists():
            hint = f"`sweeper list --results {results}` has the names; `sweeper import` adds those of other tools"
            yield Problem("no such sweep", sweep.place("sampler.prior"), "sampler.prior", name, hint=hint)


def results_of(sweep: Sweep, results: Path) -> list[Result]:
    """The configurations of the prior sweeps in the order of their ledgers. Raises LedgerError."""
    goals = {goal.name for goal in sweep.goals}
    names = {parameter.name for parameter in sweep.space.parameters}
    found: list[Result] = []
    for prior in sweep.prior:
        for group in by_config(read_history(SweepDir(results, prior)).planned()).values():
            ends = [one.ended for one in group if one.ended is not None and one.ended.state is State.COMPLETED]
            ends = [end for end in ends if goals <= end.metrics.keys()]
            params = group[0].trial.params
            if ends:
                found.append(({name: params[name] for name in params if name in names}, ends))
    return found
