"""One experiment in an MLflow store, read once a connection and written a run at a time."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from sweeper.reporting.commands import alone
from sweeper.tracking.database import connect, make_database, mend_places
from sweeper.tracking.experiment import Experiment
from sweeper.tracking.limits import LONGEST_TAG, batches, ms, without_password
from sweeper.tracking.overview_runs import OverviewRun, RunState, opening
from sweeper.tracking.saved_views import TRIALS, link
from sweeper.tracking.trial_run import STATUS, Found, MirroredTrial

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # runs of models, not traces of agents
NOTE_DIGEST = "sweeper.note"  # tells our description from one that a person wrote in the UI


class Store:
    """One experiment in MLflow. Every method raises what MLflow raises."""

    def __init__(self, uri: str, artifacts: str, experiment: Experiment) -> None:
        self.address = without_password(uri)
        self._uri = uri
        self._file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
        # A server has artifact folders of its own, and may hold the sweeps of others.
        self._place = f"{artifacts}/{quote(experiment.name)}" if self._file else None
        self._experiment, self._results = experiment, artifacts
        tags = {**experiment.tags, "sweeper.sweep": experiment.name, "sweeper.results": artifacts}
        self._tags = {name: value[:LONGEST_TAG] for name, value in tags.items()}
        self._client: MlflowClient | None = None
        self._experiment_id = ""
        self._experiment_tags: dict[str, str] = {}
        self._inode = 0

    def open(self, copies: Mapping[str, MirroredTrial], groups: Mapping[str, RunState], summary: RunState) -> None:
        """Connects unless connected, and compares: afterwards each trial knows its run, and stale runs are gone."""
        if self._file is not None:
            self._see_to_the_file(self._file)
        if self._client is None:
            client = connect(self._uri)
            self._find_experiment(client)
            self._compare(client, copies, groups, summary)
            self._client = client

    def close(self) -> None:
        """Forgets the connection, so that the next `open` compares again."""
        self._client = None

    def write(self, trial: MirroredTrial, parent: str) -> None:
        """Brings the run of a trial up to its record, nested in `parent` unless "": made, filled and ended.

        On SQLite the three calls take 30 ms (26 parameters, 10 reports of 5 metrics), nearly all in MLflow's own code.
        """
        assert self._client is not None
        from mlflow.entities import Metric, Param, RunTag

        ended, reports = trial.record.ended, len(trial.record.reports)
        if trial.outdated:
            self._client.delete_run(trial.outdated)
            trial.outdated = ""
        made = not trial.run
        if made:
            tags = {**self._tags, **trial.tags(), **self._note(trial), "mlflow.parentRunId": parent}
            tags = {name: value for name, value in tags.items() if value}
            run = self._client.create_run(self._experiment_id, trial.start_ms(), tags, trial.name)
            trial.run, trial.parent = run.info.run_id, parent
        new_params = [] if trial.opened else [Param(*item) for item in trial.params().items()]
        new_tags = [RunTag(*item) for item in trial.tags().items()] if ended and not made else []
        new_metrics = [Metric(*point) for point in trial.new_points()]
        for batch in batches(new_metrics, new_params, new_tags):
            self._client.log_batch(trial.run, *batch, synchronous=True)  # whatever the environment sets
        trial.opened, trial.points = True, reports
        if ended is not None:
            # Last of all: a run that has ended is a whole one.
            self._client.set_terminated(trial.run, STATUS[ended.state], ms(ended.at))
            trial.complete = True

    def nest(self, trial: MirroredTrial, parent: str) -> None:
        """Moves the run of a trial below that of its configuration."""
        assert self._client is not None
        self._client.set_tag(trial.run, "mlflow.parentRunId", parent)
        trial.parent = parent

    def interrupt(self, trial: MirroredTrial) -> None:
        """Ends the run of a trial that the driver leaves unfinished; the next attempt replaces it."""
        assert self._client is not None
        self._client.set_tag(trial.run, "sweeper.state", "interrupted")
        self._client.set_terminated(trial.run, "KILLED")
        trial.interrupted = True

    def begin(self, state: RunState, overview: OverviewRun) -> None:
        """Makes the run of an overview, so that others can be nested in it."""
        assert self._client is not None
        begun = opening(overview)
        run = self._client.create_run(self._experiment_id, begun.start_ms, {**self._tags, **begun.tags}, begun.name)
        state.run, state.start_ms, state.revision = run.info.run_id, overview.start_ms, 0

    def show(self, state: RunState, overview: OverviewRun) -> None:
        """Brings the run of an overview up to it: nothing is written where it shows just that already."""
        assert self._client is not None
        from mlflow.entities import Metric, Param, RunTag

        if not state.shows(overview):
            if state.shown is not None and state.shown.metrics - overview.metrics.keys():
                self._client.delete_run(state.run)  # a figure that no longer exists cannot be taken from a run
                state.forget()
            if not state.run:
                self.begin(state, overview)
            self._log_data(state.run, overview)
            self._upload(state.run, overview)
            state.revision += 1
            # MLflow shows the latest point, and these must follow each other whatever the clock shows.
            at_ms = state.start_ms + state.revision
            tags = {**overview.tags, "sweeper.digest": overview.digest, "sweeper.revision": str(state.revision)}
            metrics = [Metric(name, value, at_ms, 0) for name, value in overview.metrics.items()]
            params = [Param(*item) for item in overview.params.items()]
            for batch in batches(metrics, params, [RunTag(*item) for item in tags.items()]):
                self._client.log_batch(state.run, *batch, synchronous=True)
            self._client.set_terminated(state.run, overview.status, overview.end_ms)
            state.adopt(_shown(state, overview))
        state.changed = False

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags of the experiment, where they differ."""
        assert self._client is not None
        self._set_tags(self._client, tags)

    def _set_tags(self, client: MlflowClient, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            if self._experiment_tags.get(name) != value:
                client.set_experiment_tag(self._experiment_id, name, value)
                self._experiment_tags[name] = value

    def _note(self, trial: MirroredTrial) -> dict[str, str]:
        spec = self._experiment.spec
        again = alone(spec, trial.record.trial) if spec else ""
        note = f"Train it again, alone:\n\n```\n{again}\n```" if again else ""
        return {"mlflow.note.content": note[:LONGEST_TAG]}

    def _log_data(self, run: str, overview: OverviewRun) -> None:
        assert self._client is not None
        from mlflow.entities import Dataset, DatasetInput

        inputs = [DatasetInput(Dataset(one.name, one.digest, one.kind, one.source)) for one in overview.data]
        if inputs:
            self._client.log_inputs(run, inputs)

    def _upload(self, run: str, overview: OverviewRun) -> None:
        assert self._client is not None
        for name, content in sorted(overview.files.items()):
            path = PurePosixPath(name)
            folder = str(path.parent) if path.parent.parts else None
            if isinstance(content, Path):
                self._client.log_artifact(run, str(content), folder)
                continue
            with tempfile.TemporaryDirectory() as place:
                (file := Path(place) / path.name).write_text(content)
                self._client.log_artifact(run, str(file), folder)

    def _see_to_the_file(self, file: Path) -> None:
        make_database(file)
        mend_places(file, self._results)
        inode, self._inode = self._inode, file.stat().st_ino
        if inode not in (0, self._inode):
            self.close()
            time.sleep(1.1)  # until MLflow's connections into the deleted file are too old to be used

    def _find_experiment(self, client: MlflowClient) -> None:
        found = client.get_experiment_by_name(self._experiment.name)
        if found is None:
            made = client.create_experiment(self._experiment.name, self._place, dict(TRAINING))
            found = client.get_experiment(made)
        if found.lifecycle_stage == "deleted":  # its name is taken for good: the only way back is to restore it
            client.restore_experiment(found.experiment_id)
        self._experiment_id, self._experiment_tags = str(found.experiment_id), dict(found.tags)
        there = found.tags.get("mlflow.note.content", "")
        note = self._experiment.note(link(self._experiment_id, TRIALS).removeprefix("/"))[:LONGEST_TAG]
        tags = {"mlflow.note.content": note, NOTE_DIGEST: _digest(note)}
        if found.tags.get(NOTE_DIGEST, _digest("")) == _digest(there):  # else a person wrote it in the UI
            self._set_tags(client, tags)

    def _compare(
        self,
        client: MlflowClient,
        copies: Mapping[str, MirroredTrial],
        groups: Mapping[str, RunState],
        summary: RunState,
    ) -> None:
        for trial_run in copies.values():
            trial_run.forget()
        for overview in (*groups.values(), summary):
            overview.forget()
        # Whole runs first: a second run of the same trial is then the one to remove.
        for found in sorted(find_runs(client, self._experiment_id), key=lambda found: found.status == "RUNNING"):
            foreign = self._file is None and found.results != self._results  # a colleague's, on a shared server
            if found.kind == "trial":
                trial = copies.get(found.trial)
                known_one, adopted = trial is not None, trial is not None and trial.adopt(found)
            else:
                state = summary if found.kind == "summary" else groups.get(found.config)
                known_one, adopted = state is not None, state is not None and not state.run and not foreign
                if state is not None and adopted:
                    state.adopt(found)
            forgotten = not known_one and found.status != "RUNNING"  # of a trial no longer in the sweep file
            if not (adopted or foreign or forgotten):
                client.delete_run(found.run)


def find_runs(client: MlflowClient, experiment: str) -> Iterable[Found]:
    """Our active runs in an experiment, page by page; runs that someone added by hand are left out."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=200, page_token=token)
        for run in page:
            info, tags = run.info, run.data.tags
            if "sweeper.trial" in tags or "sweeper.kind" in tags:
                names = ("trial", "config", "attempt", "results", "digest", "revision")
                yield Found(
                    run=info.run_id,
                    status=info.status,
                    start_ms=info.start_time or 0,
                    end_ms=info.end_time or 0,
                    kind=tags.get("sweeper.kind", "trial"),
                    parent=tags.get("mlflow.parentRunId", ""),
                    metrics=frozenset(run.data.metrics),
                    **{name: tags.get(f"sweeper.{name}", "") for name in names},
                )
        token = page.token
        if not token:
            return


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _shown(state: RunState, overview: OverviewRun) -> Found:
    """The run of an overview as MLflow has it once it is written."""
    found = Found(state.run, overview.status, state.start_ms, overview.end_ms, metrics=frozenset(overview.metrics))
    return replace(found, digest=overview.digest, revision=str(state.revision))
