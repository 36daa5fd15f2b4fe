"""Checkpoints in a real S3 server and in a folder: whole or not there, and no outage stops or delays a trial."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeper.errors import Exit, SpecError, UsageError
from sweeper.execution import preflight
from sweeper.execution.options import Options, Runner
from sweeper.execution.runner import run_in_process
from sweeper.execution.worker import checkpoints, stored_checkpoints, uploads
from sweeper.execution.worker.checkpoints import Checkpoint, Saved
from sweeper.execution.worker.storage import Storage, below
from sweeper.execution.worker.stored_checkpoints import StoredCheckpoints, remove_ended
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.planning import plan
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from sweeper.trial import Reported, State
from tests.execution import runs
from tests.execution.steering.hand import When
from tests.execution.worker.s3_server import S3Server

KEY = "0123456789abcdef"


def stored(url: str) -> StoredCheckpoints:
    return StoredCheckpoints(lambda: Storage.at(url))


def checkpoint(folder: Path, stored: StoredCheckpoints, keep: str = "none") -> Checkpoint:
    progress: Any = lambda: ({"loss": 0.5}, 1.0)  # noqa: E731
    made = Checkpoint(folder, KEY, 60.0, keep, progress, lambda: False, lambda metrics: 0.0)
    made.stored = stored
    return made


def save(made: Checkpoint, *steps: int) -> None:
    for step in steps:
        made.save(step, {"total": np.array([float(step)])}, {"step": step})
        assert made.stored is not None
        assert made.stored.flush(20)


def fetched(url: str, folder: Path, *, every: bool = False) -> Saved | None:
    """The newest checkpoint of a node that had none."""
    stored(url).fetch(KEY, folder / checkpoints.FOLDER, every=every)
    return checkpoints.latest(folder, KEY)


def names(url: str) -> list[str]:
    from pyarrow.fs import FileSelector

    storage = Storage.at(url)
    found = storage.files.get_file_info(FileSelector(storage.root, recursive=True, allow_not_found=True))
    return sorted(one.base_name for one in found if one.is_file)


def test_another_node_goes_on_from_the_newest_whole_checkpoint(url: str, tmp_path: Path) -> None:
    assert fetched(url, tmp_path / "nothing") is None
    made = checkpoint(tmp_path / "first", stored(url))
    save(made, 100, 200, 300)
    assert len(names(url)) == 5  # the last two, and the index
    found = fetched(url, tmp_path / "second")
    assert found is not None
    assert (found.step, found.tensors["total"].item(), found.data, found.metrics) == (
        300,
        300.0,
        {"step": 300},
        {"loss": 0.5},
    )
    newest = next(name for name in names(url) if name.startswith("step-0000000300") and name.endswith("safetensors"))
    Storage.at(url).write(f"trials/{KEY}/{newest}", b"damaged")
    found = fetched(url, tmp_path / "third")
    assert found is not None
    assert found.step == 200
    for damaged in (b"{", b"[]", b'{"version": 1, "checkpoints": [{"step": 1, "files": []}]}'):
        Storage.at(url).write(f"trials/{KEY}/latest.json", damaged)
        assert fetched(url, tmp_path / "fourth") is None
    made.clean()
    assert names(url) == []


@pytest.mark.parametrize(("keep", "left"), [("none", []), ("last", [300]), ("all", [100, 200, 300])])
def test_after_the_end_what_the_rule_keeps_stays(tmp_path: Path, keep: str, left: list[int]) -> None:
    url = str(tmp_path / "shared")
    made = checkpoint(tmp_path / "first", stored(url), keep)
    save(made, 100, 200, 300)
    made.clean()
    fetched(url, tmp_path / "second", every=True)
    assert checkpoints.steps(tmp_path / "second") == left
    again = stored(url)
    again.forget(KEY)
    assert again.flush(5)
    assert names(url) == []


@pytest.mark.parametrize("outage", ["killed", "refusing", "denied", "full"])
def test_no_outage_stops_or_delays_a_trial_and_its_last_checkpoint_follows(
    s3: S3Server, tmp_path: Path, outage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LONGEST_WAIT_S", 0.3)
    there = stored(s3.url)
    made = checkpoint(tmp_path / "first", there)
    save(made, 100)
    answers = {"refusing": "503 Slow Down", "denied": "403 Forbidden", "full": "507 Insufficient Storage"}
    s3.status = answers.get(outage, "")
    if outage == "killed":
        s3.stop()
    began = time.monotonic()
    for step in (200, 300, 400):
        made.save(step, {"total": np.array([float(step)])}, {"step": step})
    assert time.monotonic() - began < 1.0
    there.flush(20)  # not so long: it gives up when the storage has not answered three times
    assert time.monotonic() - began < 15
    assert checkpoints.steps(tmp_path / "first") == [400]
    if outage == "killed":
        s3.start()
    s3.status = ""
    until = time.monotonic() + 20
    while not there.flush(0.1) and time.monotonic() < until:
        time.sleep(0.05)
    found = fetched(s3.url, tmp_path / "second")
    assert found is not None
    assert found.step == 400


def test_what_an_outage_left_of_a_trial_that_has_ended_goes_at_the_end_of_a_run(url: str, tmp_path: Path) -> None:
    save(checkpoint(tmp_path / "first", stored(url)), 100)
    remove_ended(Storage.at(url), {"another"})
    assert len(names(url)) == 3
    remove_ended(Storage.at(url), {KEY})
    assert names(url) == []
    remove_ended(Storage.at(f"{tmp_path}/nothing"), {KEY})


def test_a_slow_storage_delays_no_training(s3: S3Server, tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "first", stored(s3.url))
    s3.delay_s = 0.2
    began = time.monotonic()
    for step in range(1, 21):
        made.save(step, {"total": np.zeros(1)}, {"step": step})
    assert time.monotonic() - began < 2.0
    assert made.stored is not None
    assert made.stored.flush(20)
    s3.delay_s = 0.0
    found = fetched(s3.url, tmp_path / "second")
    assert found is not None
    assert found.step == 20


def test_a_trial_begins_without_a_storage_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_checkpoints, "FIRST_WAIT_S", 0.01)
    (tmp_path / "file").write_text("")
    there = stored(str(tmp_path / "file" / "below"))
    there.fetch(KEY, tmp_path / "first", every=False)
    began = time.monotonic()
    monkeypatch.setattr(stored_checkpoints, "FIRST_WAIT_S", 60.0)
    there.fetch(KEY, tmp_path / "second", every=False)  # the next member of the pack does not wait again
    assert time.monotonic() - began < 1.0
    assert not (tmp_path / "first").exists()


def test_a_run_is_refused_where_the_storage_takes_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    (folder / "file").write_text("")
    (folder / "toy.yaml").write_text(
        f"trainer: quadratic:train\nparameters: {{x: {{value: 1}}}}\nstorage: {folder}/file/x\n"
    )
    sweep = load_spec(folder / "toy.yaml")
    made = plan.make(sweep, trainer.find("quadratic:train"), folder / "results")
    with pytest.raises(UsageError, match="the storage cannot be used") as raised:
        preflight.check(made, Options(folder / "results", Runner.INPROCESS, None, None))
    assert raised.value.problems[0].where.endswith("toy.yaml:3")
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("s3://bucket/x?region=r&scheme=http", "s3://bucket/x/toy?region=r&scheme=http"),
        ("s3://bucket", "s3://bucket/toy"),
        ("/mnt/x/", "/mnt/x/toy"),
        ("file:///mnt/x", "file:///mnt/x/toy"),
    ],
)
def test_a_sweep_has_a_folder_of_its_own(url: str, folder: str) -> None:
    assert below(url, "toy") == folder


def test_an_index_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    url = str(tmp_path / "shared")
    file = {"name": "../../../secret", "bytes": 1, "sha256": ""}
    index = {"version": 1, "checkpoints": [{"step": 5, "files": {".json": file, ".safetensors": file}}]}
    Storage.at(url).write(f"trials/{KEY}/latest.json", json.dumps(index).encode())
    assert fetched(url, tmp_path / "first") is None


def test_a_sweep_goes_on_elsewhere_with_the_numbers_of_an_undisturbed_one(
    folder: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "faults"))
    text = "name: toy\ntrainer: trainer:train\nmetric: {name: score, goal: maximize}\nparameters: {steps: {value: 9}}\n"
    file = folder / "toy.yaml"
    file.write_text(f'{text}checkpoints: {{every_s: 0.001}}\nstorage: "{s3.url}"\n')
    with runs.opened(file) as (session, _):
        session.log.watchers = (When(Reported, 5, lambda: session.interrupt(Exit.INTERRUPTED)),)
        run_in_process(session)
    shutil.rmtree(folder / "results" / "toy" / "trials")  # of the node that is gone
    stored_checkpoints.stored_at.cache_clear()
    runs.train(file)
    (record,) = read_history(SweepDir(folder / "results", "toy"), curves=True).records.values()
    assert (record.state, record.value("score")) == (State.COMPLETED, 45.0)
    assert record.resumed >= 4
    assert [report.step for report in record.reports] == list(range(1, 10))
    assert s3.keys() == []


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("s3://me:secret@bucket/x", "more than a place"),
        ("s3://bucket/x?secret_key=1", "log-ins come from the environment"),
        ("results/here", "no storage"),
        ("https://example.org/x", "no storage"),
    ],
)
def test_what_is_no_place_is_refused(folder: Path, storage: str, message: str) -> None:
    (folder / "toy.yaml").write_text(
        f"trainer: quadratic:train\nparameters: {{x: {{value: 1}}}}\nstorage: '{storage}'\n"
    )
    with pytest.raises(SpecError, match=message) as raised:
        load_spec(folder / "toy.yaml")
    assert "secret@" not in str(raised.value)
    assert "key=1" not in str(raised.value)


def test_after_a_long_outage_it_still_waits_no_longer_than_it_says() -> None:
    assert all(uploads.pause_s(count) <= uploads.LONGEST_WAIT_S for count in (1, 20, 5000))
