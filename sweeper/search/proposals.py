"""What a searcher adds to a sweep while it runs, and the groups of seeds whose results it learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sweeper.planning.trial_factory import TrialFactory
from sweeper.search.prior import Result
from sweeper.search.searcher import Search
from sweeper.spec.sweep import Sweep
from sweeper.trial import Params, Record, State, Trial, by_config


class Proposals:
    """Turns a searcher's points into trials, and tells it of a configuration once all its seeds have ended."""

    def __init__(self, sweep: Sweep, family: TrialFactory, show: Callable[[str], None] = lambda text: None) -> None:
        self.family, self.show = family, show
        self.search = Search(sweep, family.settings)
        self.groups: dict[str, list[Record]] = {}
        self.exhausted = False
        self._ahead: list[Params] = []
        self._most_ahead = sweep.resources.pack or 1

    def begin(self, records: Iterable[Record], prior: Sequence[Result] = ()) -> None:
        """Rebuild the searcher from what the ledger holds: `tell` for results, `note` for what will be trained.

        Then it learns what prior sweeps found, where this one has no result of its own.
        """
        self.groups = by_config(records)
        for group in self.groups.values():
            if not self._tell(group):
                self.search.note(group[0].trial.varied)
        own = self.search.results
        for point, ends in prior:
            self.search.tell(point, ends)
        if prior:
            count = f"{self.search.results - own} of {len(prior)}"
            self.show(f"the search begins with {count} configurations of prior sweeps, those in its space")

    def more(self) -> list[Trial]:
        """The trials of a new configuration; none when the searcher has no new point."""
        point = self._ahead.pop(0) if self._ahead else self.search.ask()
        self.exhausted = point is None
        return [] if point is None else self.family.trials(point)

    def began(self) -> None:
        """A trial has begun: a slow searcher proposes the next one now, so that no device waits.

        Such a point is chosen without the results of the trials that train meanwhile, as with more devices.
        """
        if self.search.is_slow and len(self._ahead) < self._most_ahead:
            point = self.search.ask()
            self._ahead += [] if point is None else [point]

    def add(self, records: list[Record]) -> None:
        """These are the records of a configuration that was proposed."""
        self.groups[records[0].trial.config] = records

    def ended(self, trial: Trial) -> None:
        """A trial has ended for good."""
        self._tell(self.groups[trial.config])

    def _tell(self, group: list[Record]) -> bool:
        ends = [record.ended for record in group if record.ended is not None and record.state is not State.PENDING]
        if len(ends) < len(group):
            return False
        self.search.tell(group[0].trial.varied, ends)
        return True
