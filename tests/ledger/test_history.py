"""What a ledger proves: which run trained a result, and which lines count as damaged."""

from __future__ import annotations

import json
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.errors import LedgerWarning
from sweeper.ledger import entries
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Record, State
from tests.records import make_end, make_trial

TRIAL = make_trial(0, x=1)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    """One completed trial."""
    sweep = SweepDir(tmp_path / "results", "toy")
    with Ledger(sweep) as book:
        book.run("trainer: quadratic:train\n", {}, [TRIAL], History())
        book.record(make_end(TRIAL, State.COMPLETED))
    return sweep


def append(sweep: SweepDir, **entry: object) -> None:
    """A whole line with its checksum, outside the chain."""
    body = json.dumps(entry, separators=(",", ":")).encode()[:-1]
    with sweep.ledger.open("ab") as file:
        file.write(body + b',"crc":"%08x"}\n' % zlib.crc32(body))


@pytest.mark.parametrize(("number", "run"), [(0, {}), (1, {"at": 10.0}), (2, {"at": 20.0}), (3, {})])
def test_a_result_belongs_to_the_run_in_which_the_ledger_has_its_end(number: int, run: dict[str, float]) -> None:
    history = History(runs=[{"at": 10.0}, {"at": 20.0}])
    record = Record(TRIAL, ended=make_end(TRIAL, State.COMPLETED), run=number)
    assert history.run_of(record) == run
    assert history.run_of(replace(record, ended=replace(make_end(TRIAL, State.COMPLETED), origin="other"))) == {}


@pytest.mark.parametrize("keys", ["0123456789abcdef", [1], {"a": 1}, ["a", None]])
def test_what_is_no_list_of_keys_is_refused(keys: object) -> None:
    with pytest.raises(TypeError):
        entries.keys_of(keys)


def test_ends_of_trials_that_are_described_nowhere_are_counted_unless_a_damaged_line_explains_them(
    sweep: SweepDir,
) -> None:
    lines = sweep.ledger.read_bytes().splitlines(keepends=True)
    [described] = [line for line in lines if line.startswith(b'{"e":"trial"')]
    sweep.ledger.write_bytes(b"".join(line for line in lines if line != described))
    with pytest.warns(LedgerWarning, match="1 of its trials are described nowhere"):
        assert read_history(sweep).damaged == 1
    broken = described[:15] + bytes([described[15] ^ 1]) + described[16:]
    sweep.ledger.write_bytes(b"".join(broken if line == described else line for line in lines))
    with pytest.warns(LedgerWarning, match="1 line is damaged") as found:
        assert read_history(sweep).damaged == 1
    assert len(found) == 1


def test_the_number_of_damaged_lines_is_given(sweep: SweepDir) -> None:
    with sweep.ledger.open("ab") as file:
        file.write(b"{}\n{}\n")
    with pytest.warns(LedgerWarning, match="2 lines are damaged"):
        assert read_history(sweep).damaged == 2


@pytest.mark.parametrize("kind", ["another", "zebra"])
def test_a_kind_of_line_that_a_later_version_adds_is_no_damage(sweep: SweepDir, kind: str) -> None:
    append(sweep, e=kind, what=1)
    with warnings.catch_warnings(action="error"):
        assert read_history(sweep).damaged == 0


def test_a_claim_is_registered_by_the_first_run_that_has_it(sweep: SweepDir) -> None:
    claims = {"claims": [{"name": "low", "metric": "score", "mean": {"at_most": 1}}]}
    for name in ("low", "lower"):  # the name is no part of a claim
        claims["claims"][0]["name"] = name
        with Ledger(sweep) as book:
            book.run("trainer: quadratic:train\n", claims, [TRIAL], read_history(sweep))
    [registered] = read_history(sweep).registered.values()
    assert (registered.keys["name"], registered.run, registered.seen) == ("low", 1, frozenset({TRIAL.key}))
