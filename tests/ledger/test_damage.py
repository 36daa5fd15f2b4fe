"""Damaged ledgers: a line that is lost changes nothing of what the others prove, and every reader says so."""

from __future__ import annotations

import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from sweeper.analysis.progress import overview
from sweeper.errors import LedgerError, LedgerWarning
from sweeper.execution import retention
from sweeper.execution.worker import checkpoints
from sweeper.execution.worker.checkpoints import Saved
from sweeper.ledger import jsonl
from sweeper.ledger.history import History, holds_code, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.planning.plan import make
from sweeper.planning.planned_trial import Action
from sweeper.planning.sweep_trainer import find_trainer
from sweeper.spec.load import load_spec
from sweeper.trial import State
from tests.conftest import Sweeper
from tests.execution.runs import train
from tests.records import make_end, make_life, make_trial

A, B, C = (make_trial(seed, x=1) for seed in range(3))
SEARCH = "method: tpe\nbudget: {trials: 4}\n"


def damage(sweep: SweepDir, kind: str, number: int = -1) -> None:
    """Flip one bit of the last (or another) line of this kind."""
    lines = sweep.ledger.read_bytes().splitlines(keepends=True)
    found = [n for n, line in enumerate(lines) if line.startswith(b'{"e":"%s"' % kind.encode())][number]
    lines[found] = lines[found][:15] + bytes([lines[found][15] ^ 1]) + lines[found][16:]
    sweep.ledger.write_bytes(b"".join(lines))


def read(sweep: SweepDir) -> History:
    with pytest.warns(LedgerWarning, match=r"ledger\.jsonl:\d+: 1 line is damaged and not read"):
        return read_history(sweep)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    """A finished trial, a failed one and one that never began."""
    sweep = SweepDir(tmp_path / "results", "toy")
    with Ledger(sweep) as book:
        book.run("trainer: quadratic:train\ncheckpoints: {keep: all}\n", {}, [A, B, C], History())
        for event in (*make_life(A, 0.5), make_end(B, State.FAILED)):
            book.record(event)
        book.stop(4, "")
    return sweep


def test_without_the_line_of_a_run_its_trials_are_those_that_other_lines_prove(sweep: SweepDir) -> None:
    damage(sweep, "run")
    history = read(sweep)
    assert [(r.trial, r.state) for r in history.planned()] == [
        (A, State.COMPLETED),
        (B, State.FAILED),
        (C, State.PENDING),
    ]
    assert (history.damaged, history.runs, history.is_partial) == (1, [], True)


def test_without_the_line_of_a_later_run_what_it_began_is_still_its_own(sweep: SweepDir) -> None:
    new = make_trial(9, x=1)
    with Ledger(sweep) as book:
        book.run("", {"command": "second"}, [B], read_history(sweep))
        book.run("", {"command": "third"}, [A, B, new], read_history(sweep))
        book.record(make_end(A))
        book.stop(0, "mirror")
    damage(sweep, "run")
    history = read(sweep)
    assert {record.trial.key for record in history.planned()} == {A.key, B.key, new.key}
    assert "stopped" not in history.runs[-1]  # it was the damaged run that stopped so


def test_without_the_line_that_adds_trials_of_a_search_they_are_still_there(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path, "toy")
    with Ledger(sweep) as book:
        book.run("", {}, [], History())
        for trial in (A, B, C):
            book.more([trial])
            book.record(make_end(trial))
    damage(sweep, "more", 1)
    assert [record.trial for record in read(sweep).planned()] == [A, B, C]


@pytest.mark.parametrize(
    ("method", "kinds"),
    [("method: grid\n", ("run", "trial", "ledger", "start", "stop")), (SEARCH, ("run", "more", "start", "stop"))],
    ids=["grid", "search"],
)
def test_only_damage_to_an_end_makes_a_plan_train_again(toy: Path, method: str, kinds: tuple[str, ...]) -> None:
    toy.write_text(toy.read_text().replace("method: grid\n", method))
    train(toy)
    spec, results = load_spec(toy), Path("results")
    trainer, whole = find_trainer(spec, results, needed=True), (results / "toy/ledger.jsonl").read_bytes()
    before = [item.trial.key for item in make(spec, trainer, results).items]
    for kind in kinds:
        damage(SweepDir(results, "toy"), kind)
        with pytest.warns(LedgerWarning):
            after = make(spec, trainer, results)
        assert [(item.trial.key, item.action) for item in after.items] == [(key, Action.CACHED) for key in before]
        (results / "toy/ledger.jsonl").write_bytes(whole)


def test_the_next_run_writes_down_anew_what_was_damaged(toy: Path) -> None:
    train(toy)
    sweep = SweepDir(Path("results"), "toy")
    damage(sweep, "trial")
    damage(sweep, "run")
    with pytest.warns(LedgerWarning):
        session = train(toy)
    assert session.budgets.trained == 0
    with pytest.warns(LedgerWarning):
        history = read_history(sweep)
    assert [record.state for record in history.planned()] == [State.COMPLETED] * 4
    assert (history.is_partial, history.undescribed) == (False, {})


def test_a_ledger_with_crlf_is_read_and_gone_on_with(sweep: SweepDir) -> None:
    before = read_history(sweep, curves=True)
    for path in (sweep.ledger, sweep.curves):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_history(sweep, curves=True) == before
    with Ledger(sweep) as book:
        book.record(make_end(C))
    assert read_history(sweep).records[C.key].state is State.COMPLETED


@pytest.mark.parametrize("kind", ["run", "trial", "end", "stop"])
def test_gc_removes_nothing_that_a_damaged_ledger_does_not_account_for(sweep: SweepDir, kind: str) -> None:
    for trial in (A, B, C):
        checkpoints.write(sweep.trial(trial.key), trial.key, Saved(1, {}, 0.0, {"w": np.zeros(9)}, {}))
    damage(sweep, kind)
    with pytest.warns(LedgerWarning):
        found = retention.find(sweep.results)
    assert [garbage.files for garbage in found] in ([], [()])


def test_gc_leaves_folders_of_trials_that_the_ledger_does_not_know(sweep: SweepDir) -> None:
    stranger = make_trial(99, x=5)
    checkpoints.write(sweep.trial(stranger.key), stranger.key, Saved(1, {}, 0.0, {"w": np.zeros(9)}, {}))
    (garbage,) = retention.find(sweep.results)
    assert (garbage.files, garbage.unknown) == ((), 1)


def signed(body: bytes) -> bytes:
    return b'%s,"crc":"%08x"}\n' % (body, zlib.crc32(body))


ODD_LINES = {
    "bad JSON": b'{"e":"trial",,',
    "bad UTF-8": b'{"e":"\xff\xfe"',
    "deep": b'{"e":' + b"[" * 100_000,
    "another kind": b'{"e":["run"]',
    "huge": b'{"e":"end","trial":"0123456789abcdef","metrics":{"x":1e999},"state":"completed"',
    "order": b'{"e":"run","at":0,"order":[[1]]',
    "no time": b'{"e":"run","at":"x","order":[]',
}


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
def test_an_odd_line_with_the_right_checksum_is_a_damaged_line(sweep: SweepDir, line: bytes) -> None:
    with sweep.ledger.open("ab") as file:
        file.write(signed(line))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        history = read_history(sweep)
    assert history.records[A.key].state is State.COMPLETED
    assert history.damaged or history.undescribed


def make_odd(results: Path) -> list[str]:
    """Folders whose ledgers cannot be read."""
    (results / "folder" / "ledger.jsonl").mkdir(parents=True)
    (results / "fifo").mkdir()
    os.mkfifo(results / "fifo" / "ledger.jsonl")
    os.mkfifo(results / "fifo" / "lock")
    (results.parent / "elsewhere").mkdir()
    (results.parent / "elsewhere" / "ledger.jsonl").touch()
    (results / "linked").symlink_to(results.parent / "elsewhere")
    newer = SweepDir(results, "newer")
    newer.folder.mkdir()
    newer.ledger.write_bytes(jsonl.encode({"e": "ledger", "version": 99}))
    return ["fifo", "folder", "linked", "newer"]


def test_a_sweep_that_cannot_be_read_fails_alone(sweep: SweepDir, toy: Path) -> None:
    odd = make_odd(sweep.results)
    rows = {row.name: row for row in overview(sweep.results)}
    assert [name for name, row in rows.items() if row.state == "unreadable"] == odd
    assert rows["newer"].problem == "written by another sweeper: version 99 of the ledger, this one reads 1 to 2"
    assert rows["toy"].done == 1
    spec = load_spec(toy, ["name=other"])
    with pytest.warns(LedgerWarning, match="folder"):
        assert not holds_code(sweep.results, "feed")
    with pytest.warns(LedgerWarning, match="fifo"):
        assert retention.find(sweep.results) == []
    with pytest.warns(LedgerWarning, match="folder"):
        assert len(make(spec, find_trainer(spec, sweep.results, needed=True), sweep.results).items) == 4
    for name in odd:
        with pytest.raises(LedgerError):
            read_history(SweepDir(sweep.results, name))


def test_the_commands_say_what_they_do_not_read(sweep: SweepDir, sweeper: Sweeper) -> None:
    damage(sweep, "run")
    make_odd(sweep.results)
    listed = sweeper("list", "--json")
    assert (listed.code, len(listed.json()["sweeps"])) == (0, 5)
    sweep.trial(A.key).mkdir(parents=True, exist_ok=True)
    os.mkfifo(sweep.log(A.key))  # would wait for its writer
    assert sweeper("show", "toy", A.key).code == 0
    exported = sweeper("export", "toy", "--format", "json")
    assert [row["state"] for row in exported.json()["rows"]] == ["completed", "failed", "pending"]
    for said in (listed, exported, sweeper("status", "toy"), sweeper("gc", "--yes")):
        assert said.code == 0
        assert said.err.count("ledger.jsonl:5: 1 line is damaged and not read") == 1


def test_damaged_lines_are_counted(sweep: SweepDir) -> None:
    damage(sweep, "end", 0)
    damage(sweep, "end", 1)
    with pytest.warns(LedgerWarning, match=r"ledger\.jsonl:\d+: 2 lines are damaged"):
        assert read_history(sweep).damaged == 2
