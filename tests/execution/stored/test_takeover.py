"""A sweep goes on from its storage on another machine; one that somebody else drives, or another one, is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import Exit, LedgerError, UsageError
from sweeper.execution import preflight
from sweeper.execution.runner import run_in_process
from sweeper.execution.session import Session
from sweeper.execution.stored import storage_lock, stored_files
from sweeper.execution.stored.storage_lock import StorageLock, StoredDriver
from sweeper.execution.stored.stored_files import StoredFiles
from sweeper.execution.stored.sweep_copy import copied, is_stored
from sweeper.execution.stored.takeover import pull
from sweeper.execution.stored.trial_archives import TrialArchives
from sweeper.execution.worker.storage import Storage, below
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.spec.load import load_spec
from sweeper.trial import Ended
from tests.conftest import Sweeper
from tests.execution import runs
from tests.execution.steering.hand import When
from tests.execution.worker.s3_server import S3Server

TEXT = (
    "name: toy\ntrainer: quadratic:train\nmetric: {name: loss, goal: minimize}\nparameters: {x: {values: [1, 2, 3]}}\n"
)


@pytest.fixture
def elsewhere(folder: Path) -> str:
    """A storage of this test, and a sweep file that names it."""
    return written(folder, str(folder / "shared"))


def written(folder: Path, url: str) -> str:
    (folder / "toy.yaml").write_text(f'{TEXT}storage: "{url}"\n')
    return url


@contextmanager
def driver(folder: Path, said: list[str], *, take_over: bool = False) -> Iterator[Session]:
    """A run in this process that copies what it writes."""
    file = folder / "toy.yaml"
    with runs.opened(file) as (session, _):
        book = session.log.ledger
        history = read_history(book.sweep)
        with copied(load_spec(file), book.sweep, history, said.append, take_over=take_over) as copies:
            session.log.watchers = tuple(copies)
            yield session


def place(folder: Path) -> SweepDir:
    return SweepDir(folder / "results", "toy")


def outcomes(folder: Path) -> dict[str, object]:
    history = read_history(place(folder), curves=True)
    return {
        record.trial.name: (
            record.state,
            record.ended and record.ended.metrics,
            [one.metrics for one in record.reports],
        )
        for record in history.planned()
    }


def say(text: str) -> None:
    raise AssertionError(text)


def first_trial(folder: Path) -> Path:
    """A driver trains one of three trials, which leaves a model, and stops."""
    with driver(folder, []) as session:

        def act() -> None:
            model.write_text("a model")
            session.interrupt(Exit.INTERRUPTED)

        model = place(folder).trial(next(iter(session.records))) / "model.txt"
        model.parent.mkdir(parents=True, exist_ok=True)
        session.log.watchers = (When(Ended, 1, act), *session.log.watchers)
        run_in_process(session)
    return model


def driven_by(url: str, **fields: object) -> StoredDriver:
    """Another driver takes the sweep."""
    other = dataclasses.replace(StoredDriver(machine="another", text="process 7 on far"), **fields)  # type: ignore[arg-type]
    Storage.at(below(url, "toy")).write("driver.json", json.dumps(dataclasses.asdict(other)).encode())
    return other


def test_a_sweep_goes_on_from_its_storage_with_the_rows_of_an_undisturbed_one(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_files, "PIECE_BYTES", 500)
    (folder / "undisturbed").mkdir()
    written(folder / "undisturbed", url)
    runs.train(folder / "undisturbed" / "toy.yaml")
    written(folder, url)
    model = first_trial(folder)
    before = place(folder).ledger.read_bytes()
    shutil.rmtree(folder / "results")
    pull(url, place(folder), say, take_over=False)
    assert before.startswith(place(folder).ledger.read_bytes())
    assert model.read_text() == "a model"
    assert not list((folder / "results").rglob("*.part"))
    pull(url, place(folder), say, take_over=False)  # once more changes nothing
    with driver(folder, []) as session:
        run_in_process(session)
    assert outcomes(folder) == outcomes(folder / "undisturbed")
    assert place(folder).ledger.read_text().count('"e":"start"') == 3
    storage = Storage.at(below(url, "toy"))
    pieces = {piece["name"] for pieces in StoredFiles(storage).files.values() for piece in pieces}
    assert set(storage.names("ledger")) == {"index.json", *pieces}
    assert "driver.json" not in storage.names("")


def test_a_driver_that_is_alive_keeps_the_sweep_and_one_that_is_gone_does_not(
    folder: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_trial(folder)
    shutil.rmtree(folder / "results")
    storage, said = Storage.at(below(elsewhere, "toy")), list[str]()
    driven_by(elsewhere)
    monkeypatch.setattr(time, "sleep", lambda seconds: driven_by(elsewhere))  # it renews its file
    with pytest.raises(LedgerError, match="run already") as raised:
        pull(elsewhere, place(folder), said.append, take_over=False)
    assert raised.value.problems[0].found == "process 7 on far"
    assert len(said) == 1
    assert not (folder / "results").exists()
    monkeypatch.setattr(storage_lock, "LEASE_S", -1.0)  # it did not
    pull(elsewhere, place(folder), say, take_over=False)
    monkeypatch.setattr(storage_lock, "LEASE_S", 60.0)
    shutil.rmtree(folder / "results")
    driven_by(elsewhere, machine=StoredDriver().machine, pid=2**22 + 1)  # a process of this machine that is dead
    pull(elsewhere, place(folder), say, take_over=False)
    driven_by(elsewhere)
    shutil.rmtree(folder / "results")
    pull(elsewhere, place(folder), say, take_over=True)
    assert storage.read("driver.json")


def test_a_run_that_was_taken_over_ends(folder: Path, elsewhere: str) -> None:
    def taken(copy: Any) -> None:
        driven_by(elsewhere)
        while not copy._taken.lost_to:
            copy._wake.set()
            time.sleep(0.02)

    with driver(folder, []) as session:
        (copy,) = session.log.watchers
        session.log.watchers = (When(Ended, 1, lambda: taken(copy)), copy)
        with pytest.raises(LedgerError, match="another run has taken this sweep over"):
            run_in_process(session)
    assert json.loads(Storage.at(below(elsewhere, "toy")).read("driver.json"))["text"] == "process 7 on far"


def test_of_two_drivers_at_the_same_moment_one_becomes_the_driver(url: str) -> None:
    storage = Storage.at(below(url, "toy"))
    for _ in range(20):
        locks, together = [StorageLock(storage), StorageLock(storage)], threading.Barrier(2)
        for lock in locks:
            lock._driver = StoredDriver(machine=lock._driver.id)

        def became(lock: StorageLock, together: threading.Barrier = together) -> bool:
            together.wait()
            return lock._became_driver()

        won = [False, False]
        with ThreadPoolExecutor(2) as pool:
            while not any(won):
                won = list(pool.map(became, locks))
        assert won.count(True) == 1
        assert (storage.names(""), storage.names("claims")) == (["driver.json"], [])
        locks[won.index(True)].release()


def test_a_claim_of_who_is_gone_is_removed(folder: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage.at(below(elsewhere, "toy"))
    for name in ("0alive", "gone"):
        storage.write(f"claims/{name}", json.dumps(dataclasses.asdict(StoredDriver(machine=name))).encode())
    (folder / "shared" / "toy" / "claims" / "gone").touch()
    os.utime(folder / "shared" / "toy" / "claims" / "gone", (1, 1))
    lock = StorageLock(storage)
    assert not lock._became_driver()
    assert storage.names("claims") == ["0alive"]
    monkeypatch.setattr(storage_lock, "CLAIM_S", -1.0)  # who takes too long could count as gone itself
    storage.remove("claims/0alive")
    assert not lock._became_driver()
    assert storage.names("") == []


def test_files_of_a_worker_that_does_not_see_the_results_folder_come_home(folder: Path, url: str) -> None:
    written(folder, url)
    with driver(folder, []) as session:
        session.queue.home = SweepDir(folder / "disk of a node", "toy")
        session.queue.waiting = deque(
            dataclasses.replace(job, directory=session.queue.home.trial(job.trial)) for job in session.queue.waiting
        )
        run_in_process(session)
    trials = list(session.records)
    for trial in trials:
        log = (session.queue.home.trial(trial) / "log.txt").read_text()
        assert (place(folder).trial(trial) / "log.txt").read_text() == log
    assert sorted(Storage.at(below(url, "toy")).names("files")) == [f"{trial}-1.zip" for trial in sorted(trials)]
    shutil.rmtree(folder / "results")
    pull(url, place(folder), say, take_over=False)
    assert all(place(folder).log(trial).exists() for trial in trials)


def test_files_of_the_last_attempt_that_left_any_stay(tmp_path: Path) -> None:
    storage, key, folder = Storage.at(str(tmp_path / "shared")), "0123456789abcdef", tmp_path / "trial"
    archives = TrialArchives(storage, say)
    folder.mkdir()
    for attempt, text in ((1, "first"), (2, ""), (3, "third")):
        (folder / "log.txt").unlink(missing_ok=True)
        if text:
            (folder / "log.txt").write_text(text)
        archives.exchange({key: attempt}, lambda key: folder)
        assert storage.names("files") == [f"{key}-{1 if attempt < 3 else 3}.zip"]
    shutil.rmtree(folder)
    TrialArchives(storage, say).exchange({key: 3}, lambda key: folder)
    assert (folder / "log.txt").read_text() == "third"


def test_what_is_damaged_absent_or_another_sweep_is_refused_and_nothing_is_made(folder: Path, elsewhere: str) -> None:
    with pytest.raises(UsageError, match="no sweep is stored here"):
        pull(elsewhere, place(folder), say, take_over=False)
    model = first_trial(folder)
    storage = Storage.at(below(elsewhere, "toy"))
    shutil.rmtree(folder / "results")
    with runs.opened(folder / "toy.yaml", "x=5"):
        pass
    with pytest.raises(UsageError, match="this folder has other results"):
        pull(elsewhere, place(folder), say, take_over=False)
    with pytest.raises(UsageError, match="other results of a sweep of this name"), driver(folder, []):
        pass
    assert "driver.json" not in storage.names("")
    shutil.rmtree(folder / "results")
    (archive,) = storage.names("files")
    storage.write(f"files/{archive}", b"damaged")
    said: list[str] = []
    pull(elsewhere, place(folder), said.append, take_over=False)
    assert "the files of a trial are damaged" in said[0]
    assert not model.exists()
    shutil.rmtree(folder / "results")
    piece = next(name for name in storage.names("ledger") if name.startswith("ledger.jsonl"))
    storage.write(f"ledger/{piece}", b"damaged")
    with pytest.raises(UsageError, match="is damaged"):
        pull(elsewhere, place(folder), say, take_over=False)
    storage.write("ledger/index.json", b'{"version": 1, "files": {"../x": []}}')
    with pytest.raises(UsageError, match="leads elsewhere"):
        pull(elsewhere, place(folder), say, take_over=False)
    assert not (folder / "results").exists()


def test_a_full_storage_stops_nothing_is_said_once_and_gets_the_rest_from_the_next_run(
    folder: Path, s3: S3Server
) -> None:
    written(folder, s3.url)
    sweep, said = load_spec(folder / "toy.yaml"), list[str]()
    with driver(folder, said) as session:
        s3.is_full = True
        run_in_process(session)
    s3.is_full = False
    assert session.end() is Exit.OK
    assert [text.partition(":")[0] for text in said] == [
        "the storage does not take the ledger, tried again until it does",
        "the storage lacks the end of this run; when it answers, run the same command again",
    ]
    assert not is_stored(sweep, place(folder))
    with driver(folder, []):
        pass
    shutil.rmtree(folder / "results")
    pull(s3.url, place(folder), say, take_over=False)
    assert all(record.ended for record in read_history(place(folder)).planned())


def test_a_sweep_that_goes_on_waits_for_its_storage(
    folder: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    (folder / "shared").write_text("not a folder yet")
    monkeypatch.setattr(Storage, "check", Storage._check_once)
    monkeypatch.setattr(time, "sleep", lambda seconds: (folder / "shared").unlink(missing_ok=True))
    preflight._check_storage(load_spec(folder / "toy.yaml"), 60.0, said.append)
    assert len(said) == 1
    shutil.rmtree(folder / "shared")
    (folder / "shared").write_text("not a folder")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(UsageError, match="tried for 0 s; run the same command when it answers"):
        preflight._check_storage(load_spec(folder / "toy.yaml"), 0.01, said.append)


def test_a_storage_that_cannot_be_used_is_refused_and_is_free_again(
    folder: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, s3.url)
    s3.is_full = True
    with pytest.raises(UsageError, match="the storage cannot be used") as raised, driver(folder, []):
        pass
    assert "quota is used up" in str(raised.value.problems[0].found)
    s3.is_full = False
    monkeypatch.setattr(StoredFiles, "tidy", lambda self: Storage.at(s3.url).read("absent"))  # after it took the lock
    with pytest.raises(UsageError, match="the storage cannot be used"), driver(folder, []):
        pass
    assert not [key for key in s3.keys() if "driver.json" in key or "claims" in key]  # noqa: SIM118
    written(folder, f"{s3.url}&scheme=nonsense")
    with pytest.raises(UsageError, match="the storage cannot be used"), driver(folder, []):
        pass


def test_the_command_line_refuses_what_makes_no_sense(folder: Path, elsewhere: str, sweeper: Sweeper) -> None:
    for words, message in (
        (("--from", "/another"), "not the storage of the sweep"),
        (("--from", elsewhere, "--dry-run"), "--dry-run writes nothing"),
        (("--from", elsewhere), "no sweep is stored here"),
    ):
        result = sweeper("run", "toy.yaml", *words)
        assert result.code == 2
        assert message in result.err
    assert not (folder / "results").exists()
