"""Runs that MLflow shows besides those of trials: one per configuration of several seeds, one for the whole sweep."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from sweeper.tracking.experiment import Data, Experiment, Files
from sweeper.tracking.limits import LONGEST_NAME, LONGEST_TAG, legal, ms, run_name
from sweeper.tracking.trial_run import Found, MirroredTrial
from sweeper.trainer.metric_ranges import UNBOUNDED, bundled_ends
from sweeper.trial import Record, State, by_config, canonical_json, values_of

MADE_BY = ("task.", "data.")  # settings of these sections describe the data that a trainer generates
MOST_DATA = 20
UNFINISHED = (State.PENDING, State.RUNNING)


@dataclass(frozen=True)
class OverviewRun:
    """What such a run shows. Times in milliseconds since the epoch; `files` are its artifacts."""

    name: str
    status: str
    start_ms: int
    end_ms: int
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: Sequence[Data] = ()
    files: Files = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """16 hex digits: two overviews with the same show the same."""
        shown = [self.name, self.status, self.start_ms, self.end_ms, self.tags, self.params, self.metrics]
        shown.append([one.digest for one in self.data])
        digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode())
        for path, content in sorted(self.files.items()):
            data = content.read_bytes() if isinstance(content, Path) else content.encode()
            digest.update(f"\0{path}\0{hashlib.sha256(data).hexdigest()}".encode())
        return digest.hexdigest()[:16]


@dataclass(slots=True)
class RunState:
    """How far MLflow follows an overview: `run` is its run ("" for none), `shown` what that was found to show.

    `members` are the trials it is about, `changed` whether they have changed since the overview was written.
    """

    members: list[MirroredTrial] = field(default_factory=list)
    run: str = ""
    shown: Found | None = None
    start_ms: int = 0
    revision: int = 0
    changed: bool = True
    rejections: int = 0

    @property
    def is_group(self) -> bool:
        """Whether several trials are shown: a single seed needs no further run."""
        return sum(trial.is_shown for trial in self.members) > 1

    @property
    def is_settled(self) -> bool:
        return not any(trial.running for trial in self.members)

    @property
    def is_due(self) -> bool:
        """Whether the overview must be written, once none of its trials runs."""
        return self.changed and (self.is_group or bool(self.run)) and any(trial.is_shown for trial in self.members)

    def records(self) -> list[Record]:
        return [trial.record for trial in self.members if trial.is_shown]

    def forget(self) -> None:
        """Knows nothing of MLflow any more."""
        self.run, self.shown, self.start_ms, self.revision, self.changed = "", None, 0, 0, True

    def adopt(self, found: Found) -> None:
        """Takes a run in MLflow for its own."""
        self.run, self.shown, self.start_ms = found.run, found, found.start_ms
        self.revision = int(found.revision) if found.revision.isdecimal() else 0

    def shows(self, overview: OverviewRun) -> bool:
        """Whether MLflow shows the overview in full: its status and end are written last."""
        found = self.shown
        return found is not None and (found.digest, found.status, found.end_ms) == (
            overview.digest, overview.status, overview.end_ms
        )  # fmt: skip


def config_overview(experiment: Experiment, records: Sequence[Record]) -> OverviewRun:
    """The run of a configuration: its settings, and of each headline metric mean, std, 95 % interval and n.

    Completed trials count, as in `sweeper export --level config`, whose column names the metrics bear.
    """
    from sweeper.analysis.statistics import cut, estimate  # scipy takes a second; a sweep of single seeds does without

    completed = [record.ended for record in records if record.state is State.COMPLETED and record.ended]
    metrics: dict[str, float] = {}
    ends = bundled_ends(records[0].trial.trainer)
    for name in experiment.headlines(name for ended in completed for name in ended.metrics):
        if not (values := values_of(records, name)):
            continue
        one = estimate(values)
        metrics |= {f"{name}.mean": one.mean, f"{name}.n": float(one.n)}
        if one.n > 1:
            low, high = map(float, cut(one.interval(), one.mean, ends.get(name, UNBOUNDED)))
            metrics |= {f"{name}.std": one.se * math.sqrt(one.n), f"{name}.ci_low": low, f"{name}.ci_high": high}
    trial = records[0].trial
    seeds = ", ".join(str(seed) for seed in sorted(record.trial.seed for record in records))
    tags = {"sweeper.kind": "config", "sweeper.config": trial.config, "sweeper.seeds": seeds}
    tags |= {"sweeper.code": trial.code, "mlflow.source.name": trial.trainer, **_states(records)}
    tags["mlflow.note.content"] = f"Mean over {len(completed)} of {len(records)} seeds: {seeds}."
    params = MirroredTrial(records[0]).params()
    del params["seed"]
    name = run_name(trial.settings, trial.config) or "the configuration"
    overview = _overview(name, records, tags, params, {legal(k): v for k, v in metrics.items()})
    return replace(overview, data=_data(experiment, records))


def opening(overview: OverviewRun) -> OverviewRun:
    """The overview before any of its trials has ended: who it is, and that it runs."""
    kept = {name: value for name, value in overview.tags.items() if name != "sweeper.state"}
    return OverviewRun(overview.name, "RUNNING", overview.start_ms, 0, kept)


def summary_overview(experiment: Experiment, records: Sequence[Record], files: Files) -> OverviewRun:
    """The run of the sweep: how many trials ended in which state, the best configuration, the claims, and its files."""
    counts = _counts(records)
    metrics = {"trials": float(len(records)), "configs": float(len({record.trial.config for record in records}))}
    metrics |= {name: float(count) for name, count in counts.items()}
    ended = [record.ended for record in records if record.ended]
    metrics["device_hours"] = sum(end.wall_s for end in ended) / 3600
    for goal, (best, _) in (bests := _bests(experiment, records)).items():
        metrics[f"{goal}.best"] = best
    lines = [f"**{experiment.name}**: {_states(records)['sweeper.state']}"]
    lines += [f"Best {goal} (mean over seeds): {best:.6g} at `{where}`" for goal, (best, where) in bests.items()]
    lines += [text] if (text := _claims(files)) else []
    note = "\n\n".join([*lines, experiment.note(), "The sweep file, the tables and the plots are its artifacts."])
    tags = {"sweeper.kind": "summary", "mlflow.source.name": records[0].trial.trainer, **_states(records)}
    tags["mlflow.note.content"] = note
    overview = _overview(f"{experiment.name}: summary", records, tags, {}, {legal(k): v for k, v in metrics.items()})
    # It is made when the last trial has ended, and so stands first where runs are listed by their start.
    return replace(overview, status="FINISHED", start_ms=overview.end_ms, data=_data(experiment, records), files=files)


def _claims(files: Files) -> str:
    """The claims as a Markdown list: what became of each, and whether it is older than its results."""
    document = files.get("verdicts.json")
    found = json.loads(document)["verdicts"] if isinstance(document, str) else []
    return "\n".join(f"* {one['outcome']}: {one['name']} ({one['standing'] or one['status']})" for one in found)


def _overview(
    name: str,
    records: Sequence[Record],
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
) -> OverviewRun:
    ends = [record.ended for record in records if record.ended]
    begins = [end.started_at for end in ends] + [r.started.at for r in records if r.started and not r.ended]
    any_completed = any(record.state is State.COMPLETED for record in records)
    status = "FINISHED" if any_completed else "FAILED" if len(ends) == len(records) else "KILLED"
    last = max((end.at for end in ends), default=max(begins, default=0.0))
    cut = {tag: value[:LONGEST_TAG] for tag, value in tags.items() if value}
    return OverviewRun(name[:LONGEST_NAME], status, ms(min(begins, default=0.0)), ms(last), cut, params, metrics)


def _data(experiment: Experiment, records: Sequence[Record]) -> list[Data]:
    """The files that the trainer names, and what it makes itself, where settings describe that."""
    found = {one.digest: one for one in experiment.data}
    for record in records:
        params = record.trial.params
        made_by = {name: value for name, value in params.items() if name.startswith(MADE_BY)}
        if made_by:
            source = canonical_json(made_by)
            digest = hashlib.sha256(source.encode()).hexdigest()[:16]
            name = str(params.get("task.name") or params.get("data.name") or record.trial.trainer)
            found.setdefault(digest, Data(name, digest, "settings", source))
    return list(found.values())[:MOST_DATA]


def _counts(records: Sequence[Record]) -> dict[str, int]:
    """How many trials ended how; what has not ended when an overview is written is left unfinished."""
    counts = Counter(record.state for record in records)
    ended = {str(state): counts[state] for state in State if state not in UNFINISHED and counts[state]}
    rest = sum(counts[state] for state in UNFINISHED)
    return ended | ({"unfinished": rest} if rest else {})


def _states(records: Sequence[Record]) -> dict[str, str]:
    return {"sweeper.state": ", ".join(f"{count} {name}" for name, count in _counts(records).items())}


def _bests(experiment: Experiment, records: Sequence[Record]) -> dict[str, tuple[float, str]]:
    """Of each goal the best mean of a configuration over its completed seeds, and that configuration's name."""
    groups = by_config(record for record in records if record.state is State.COMPLETED)
    found: dict[str, tuple[float, str]] = {}
    for goal, maximize in experiment.goals.items():
        means = []
        for group in groups.values():
            if values := values_of(group, goal):
                means.append((math.fsum(values) / len(values), group[0].trial.settings))
        if means:
            found[goal] = (max if maximize else min)(means, key=lambda pair: pair[0])
    return found
