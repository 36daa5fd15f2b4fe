"""Seeds in batches until the claims are decided: what a run trains next, and the looks that it writes down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.ledger.entries import ClaimLook
from sweeper.ledger.history import History
from sweeper.ledger.ledger import Ledger
from sweeper.planning.plan import Plan
from sweeper.planning.planned_trial import Action, PlannedTrial, Rerun, planned_trials
from sweeper.planning.trial_factory import TrialFactory
from sweeper.spec.claims.records import Claim
from sweeper.spec.sweep import LookPlan
from sweeper.trainer.trainer import Trainer
from sweeper.trial import Record, Trial


@dataclass(slots=True)
class SeedBatches:
    """Judges the open claims whenever a batch of their seeds has ended, and plans the next one.

    `history` is that of the sweep when the run began: results of earlier runs and of other sweeps are not trained anew.
    `to_train` are the trials that wait or train: what an earlier run found for them is no result.
    """

    claims: Sequence[Claim]
    plan: LookPlan
    ledger: Ledger
    history: History
    factory: TrialFactory
    show: Callable[[str], None]
    to_train: set[str]
    decided: Callable[[str, str, int], None] = lambda claim, outcome, seeds: None  # called for each claim, once
    looks: list[ClaimLook] = field(init=False)
    open_claims: int = 0
    _awaited: list[set[str]] = field(default_factory=list)  # of each open claim, the trials that its next look needs

    @classmethod
    def of(
        cls,
        plan: Plan,
        trainer: Trainer,
        ledger: Ledger,
        history: History,
        show: Callable[[str], None],
        decided: Callable[[str, str, int], None] = lambda claim, outcome, seeds: None,
    ) -> SeedBatches | None:
        """The batches of a planned sweep; None where its seeds are fixed."""
        sweep = plan.sweep
        if sweep.looks is None:
            return None
        to_train = {trial.key for trial in plan.to_run}
        factory = TrialFactory.of(sweep, trainer)
        return cls(sweep.claims, sweep.looks, ledger, history, factory, show, to_train, decided)

    def __post_init__(self) -> None:
        self.looks = list(self.history.claim_looks)

    def ended(self, trial: str) -> bool:
        """Whether with this trial the batch of some claim has ended."""
        self.to_train.discard(trial)
        done = False
        for trials in self._awaited:
            if trial in trials:
                trials.discard(trial)
                done |= not trials
        return done

    def look(self, records: Mapping[str, Record]) -> list[PlannedTrial]:
        """Judge what can be judged and write it down. Returns the trials that open claims need and the sweep lacks."""
        from sweeper.analysis.claims.verify import progress_at_looks  # here: the statistics take a second to import

        known = [Record(one.trial) if key in self.to_train else one for key, one in records.items()]
        folder: Path = self.ledger.sweep.folder
        found = progress_at_looks(self.claims, known, folder, self.plan, self.looks)
        new = [look for one in found for look in one.looks if look not in self.looks]
        if new:
            self.ledger.look(new)
            self.looks += new
        waiting = [one.waits_for for one in found if one.is_open]
        self.open_claims = len(waiting)
        by_place = {(record.trial.config, record.trial.seed): record.trial for record in known}
        missing = dict.fromkeys(place for places in waiting for place in places if place not in by_place)
        planned = self._planned(list(missing), by_place)
        by_place |= {(item.trial.config, item.trial.seed): item.trial for item in planned}
        self.to_train |= {item.trial.key for item in planned if item.action is Action.RUN}
        self._awaited = [{by_place[place].key for place in places} for places in waiting]
        for one in found:
            if one.last in new:
                self.show(f"{one.claim.name}: {one.last.outcome} at {one.last.seeds} seeds, level {one.last.level:.2g}")
                if not one.is_open:
                    self.decided(one.claim.name, one.last.outcome, one.last.seeds)
        return planned

    def _planned(
        self, places: Sequence[tuple[str, int]], by_place: Mapping[tuple[str, int], Trial]
    ) -> list[PlannedTrial]:
        """The trials at these places, seed by seed: those of the first batch, with another seed."""
        in_order = sorted(places, key=lambda place: place[1])
        trials = [self.factory.with_seed(by_place[config, 0], seed) for config, seed in in_order]
        sweep_dir = self.ledger.sweep
        return list(planned_trials(trials, self.history, Rerun.NOTHING, sweep_dir.results, sweep_dir.name))
