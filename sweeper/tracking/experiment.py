"""What the MLflow mirror is told of a sweep beside its trials, and which of their metrics it shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.trial import Trial

MOST_METRICS = 49  # of a run: more than a person can look through, and MLflow's pages get slow
MOST_HEADLINES = 9  # of a configuration's run, five figures each
Files = Mapping[str, str | Path]  # path in the artifacts -> text, or a file


@dataclass(frozen=True, slots=True)
class Data:
    """What was trained on: a file, or the settings it is made by. `digest` has at most 36 characters."""

    name: str
    digest: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """A sweep as MLflow's experiment: name, description in Markdown, the command, tags that every run gets.

    `goals` maps metrics to whether more is better, best goal first; `declared` are the metrics the trainer declares;
    `data` are the files trained on; `alone` gives the command that trains one trial again; `files` makes what the
    summary run carries: it is called when the sweep has ended, and may raise OSError.
    """

    name: str
    description: str
    command: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, bool] = field(default_factory=dict)
    declared: Sequence[str] = ()
    data: Sequence[Data] = ()
    alone: Callable[[Trial], str] = lambda trial: ""
    files: Callable[[], Files] = dict

    def note(self) -> str:
        """The description and the exact command, in Markdown."""
        command = f"```\n{self.command}\n```" if self.command else ""
        return "\n\n".join(filter(None, (self.description.strip(), command)))

    def preferred(self) -> list[str]:
        """The metrics that are shown whatever else there is: the goals, then those declared one by one."""
        single = (name for name in self.declared if not name.endswith("/T"))
        return list(dict.fromkeys([*self.goals, *single]))[:MOST_METRICS]

    def headlines(self, names: Iterable[str]) -> list[str]:
        """The metrics of `names` worth a column, the most important first."""
        there = dict.fromkeys(names)
        first = [name for name in self.preferred() if name in there]
        rest = (name for name in there if not is_of_a_family(name, self.declared))
        return list(dict.fromkeys([*first, *rest]))[:MOST_HEADLINES]


@dataclass(slots=True)
class MetricChoice:
    """Which metrics of one run are shown: those preferred, and others in the order they come while there is room."""

    preferred: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    others: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, experiment: Experiment) -> MetricChoice:
        return cls(frozenset(experiment.preferred()), frozenset(experiment.declared))

    def admits(self, name: str) -> bool:
        """Whether the metric is shown; once shown, it always is."""
        if name in self.preferred or name in self.others:
            return True
        if is_of_a_family(name, self.declared) or len(self.others) >= MOST_METRICS - len(self.preferred):
            return False
        self.others.add(name)
        return True


def is_of_a_family(name: str, declared: Collection[str]) -> bool:
    """Whether the metric is one of many that were declared together, as `loss/T` for one a position T."""
    return f"{name.rpartition('/')[0]}/T" in declared
