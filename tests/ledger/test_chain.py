"""The chain of hashes through a ledger: what breaks it, what does not, and what is reported."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli.terminal.verdicts import audit_lines
from sweeper.ledger import jsonl
from sweeper.ledger.history import audit, claim_digest, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State
from tests.records import make_end, make_trial

TRIALS = [make_trial(0, x=x) for x in range(4)]


def written(folder: Path, name: str = "toy") -> SweepDir:
    """Two runs of the sweep, the second extends the first."""
    sweep = SweepDir(folder, name)
    for planned in (TRIALS[:2], TRIALS):
        with Ledger(sweep) as book:
            book.run("name: toy\n", {}, planned, read_history(sweep))
            for trial in planned[-2:]:
                book.record(make_end(trial, score=0.5))
    return sweep


def test_an_untouched_ledger_is_chained_from_its_first_line_to_its_head(tmp_path: Path) -> None:
    chain = audit(written(tmp_path))
    assert (chain.since, chain.breaks) == (1, [])
    assert chain.lines == len(written(tmp_path / "other").ledger.read_bytes().splitlines())


def test_each_entry_moves_the_head_and_an_earlier_head_is_found_again(tmp_path: Path) -> None:
    sweep = written(tmp_path)
    quoted = audit(sweep)
    with Ledger(sweep) as book:
        book.stop(0, "")
    extended = audit(sweep, quoted.head)
    assert extended.head != quoted.head
    assert (extended.quoted_at, extended.breaks) == (quoted.lines, [])
    assert audit(sweep, "0" * 64).quoted_at == 0


def resealed(line: bytes) -> bytes:
    """The line with another score and a checksum that fits: by somebody who read how it is made."""
    entry = json.loads(line)
    del entry["crc"]
    return jsonl.encode({**entry, "metrics": {"score": 0.9}})[:-1]


FORGERIES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a result is edited": lambda lines: [resealed(line) if b'"e":"end"' in line else line for line in lines],
    "a line is removed": lambda lines: lines[:3] + lines[4:],
    "two lines change places": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "a line is damaged": lambda lines: [*lines[:3], lines[3].replace(b'"e"', b'"f"', 1), *lines[4:]],
    "a line is repeated": lambda lines: [*lines[:4], *lines[3:]],
    "the first line is gone": lambda lines: lines[1:],
    "two ledgers are joined": lambda lines: lines + lines,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_written_cannot_be_changed_unseen(tmp_path: Path, forgery: str) -> None:
    sweep = written(tmp_path)
    lines = FORGERIES[forgery](sweep.ledger.read_bytes().splitlines())
    sweep.ledger.write_bytes(b"".join(line + b"\n" for line in lines))
    assert audit(sweep).breaks


def test_lines_cut_off_at_the_end_show_by_the_head_that_was_quoted(tmp_path: Path) -> None:
    sweep = written(tmp_path)
    quoted = audit(sweep).head
    sweep.ledger.write_bytes(b"".join(sweep.ledger.read_bytes().splitlines(keepends=True)[:-1]))
    assert audit(sweep, quoted).breaks == []
    assert audit(sweep, quoted).quoted_at == 0


def test_a_torn_line_of_a_killed_driver_breaks_nothing(tmp_path: Path) -> None:
    sweep = written(tmp_path)
    with sweep.ledger.open("ab") as file:
        file.write(b'{"e":"end","trial":"x')
    with Ledger(sweep) as book:
        book.stop(0, "")
    chain = audit(sweep)
    assert (chain.breaks, read_history(sweep).damaged) == ([], 1)


def test_a_ledger_of_version_1_is_read_and_chained_from_then_on(tmp_path: Path) -> None:
    sweep = written(tmp_path)
    old = [line for line in jsonl.read(sweep.ledger) if line and line["e"] != "ledger"]
    lines = [jsonl.encode({"e": "ledger", "version": 1}), *(jsonl.encode(line) for line in old)]
    sweep.ledger.write_bytes(b"".join(lines))
    assert audit(sweep).since == 0
    with Ledger(sweep) as book:
        book.stop(0, "")
    chain = audit(sweep)
    assert (chain.since, chain.breaks) == (len(lines) + 1, [])
    assert [record.state for record in read_history(sweep).planned()] == [State.COMPLETED] * 4


def test_a_damaged_line_counts_as_a_line_of_the_chain(tmp_path: Path) -> None:
    sweep = written(tmp_path)
    lines = sweep.ledger.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"', b"'", 1)
    sweep.ledger.write_bytes(b"".join(lines))
    chain = audit(sweep)
    assert (chain.lines, chain.breaks[0]) == (len(lines), 4)


@pytest.mark.parametrize("key", ["expect", "where", "alpha"])
def test_a_claim_is_its_keys_and_not_its_name(key: str) -> None:
    keys = {"name": "one", "metric": "score", "best": {"at_least": 1}}
    assert claim_digest({**keys, "name": "another"}) == claim_digest(keys)
    assert claim_digest({**keys, key: "x == 1"}) != claim_digest(keys)


def test_a_clock_that_went_back_is_named_and_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = written(tmp_path)
    assert audit(sweep).turned_back == []
    a_day_ago = time.time() - 86_400
    monkeypatch.setattr(time, "time", lambda: a_day_ago)
    with Ledger(sweep) as book:
        book.run("name: toy\n", {}, TRIALS, read_history(sweep))
    chain = audit(sweep)
    assert (len(chain.turned_back), chain.breaks) == (1, [])
    assert any("dated before an earlier one" in line for line in audit_lines(chain))
