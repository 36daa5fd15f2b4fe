"""What the MLflow mirror knows of a sweep besides its trials, and which of their metrics it shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MOST_METRICS = 49  # of a run: more than a person can look through, and MLflow's pages get slow
MOST_HEADLINES = 9  # of a configuration's run, five figures each
Files = Mapping[str, str | Path]  # path in the artifacts -> text, or a file


class Attachments(Protocol):
    """The files that the run of a finished sweep carries; `Mirror.finish` is given them."""

    def files(self) -> Files:
        """The files as they are now. Called once per attempt to write that run, from the mirror's thread.

        What it raises is the error of that run alone.
        """


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
    `data` are the files trained on; `spec` is the sweep file, which the command that repeats one trial names.
    """

    name: str
    description: str
    command: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, bool] = field(default_factory=dict)
    declared: Sequence[str] = ()
    data: Sequence[Data] = ()
    spec: Path | None = None

    def note(self, view: str = "") -> str:
        """The description, a link to a view if one is given, and the exact command, in Markdown.

        MLflow shows the first line, and the rest once it is opened.
        """
        about, command = self.description.strip(), f"```\n{self.command}\n```" if self.command else ""
        link = f"[trials, the best first]({view})" if view else ""
        first = [f"{about} · {link}"] if about and link and "\n" not in about else [link, about]
        return "\n\n".join(filter(None, (*first, command)))

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

    preferred: Mapping[str, int] = field(default_factory=dict)  # their places, the goals first
    declared: frozenset[str] = frozenset()
    others: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, experiment: Experiment) -> MetricChoice:
        places = {name: place for place, name in enumerate(experiment.preferred())}
        return cls(places, frozenset(experiment.declared))

    def in_order(self, metrics: Mapping[str, float]) -> list[tuple[str, float]]:
        """With the preferred ones first: MLflow compares runs by the metric that was written first."""
        return sorted(metrics.items(), key=lambda item: self.preferred.get(item[0], len(self.preferred)))

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
