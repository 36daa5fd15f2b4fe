"""An import into a results folder: new, extended, or unchanged; what an earlier import holds is never altered."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.errors import LedgerError, Problem, UsageError
from sweeper.importing.source import MAX_PROBLEMS, ImportSource
from sweeper.importing.trials import ImportedTrial
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.spec.load import load_or_none
from sweeper.trial import Record, State
from sweeper.value_text import Labels, plural, show

MOST_NAMED = 3  # trials in one refusal


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did: trials that were new, those already there, and how many there are by their state."""

    new: int
    known: int
    states: Mapping[State, int]


def known_trials(sweep_dir: SweepDir) -> History:
    """What an earlier import left, empty where there is none. Raises UsageError for a sweep that was trained here."""
    known = read_history(sweep_dir)
    if known.records and not known.is_imported:
        hint = "import under another name"
        raise UsageError(
            Problem("a sweep of this name was trained here", str(sweep_dir.folder), "NAME", sweep_dir.name, hint=hint)
        )
    return known


def write_import(
    sweep_dir: SweepDir,
    source: ImportSource,
    trials: Sequence[ImportedTrial],
    text: str,
    facts: Mapping[str, Any],
    labels: Labels,
) -> ImportOutcome:
    """Write the trials that are new. Nothing is written where all are there and the file is the same.

    Raises UsageError where the source has other results than before, or lacks some; LedgerError while another process
    writes to the sweep.
    """
    known = known_trials(sweep_dir)
    _check_same(sweep_dir, source, trials, known)
    _check_claims(sweep_dir, text)
    new = [one for one in trials if _is_new(known.records.get(one.trial.key), one)]
    outcome = ImportOutcome(len(new), len(trials) - len(new), Counter(one.found.state for one in trials))
    is_same = sweep_dir.spec.is_file() and sweep_dir.spec.read_text(encoding="utf-8") == text
    if not new and is_same and all(known.describes(one.trial) for one in trials):
        return outcome
    now = time.time()
    with Ledger(sweep_dir) as book:
        if len(read_history(sweep_dir).records) != len(known.records):
            raise LedgerError(Problem("another import wrote to this sweep", str(sweep_dir.folder), hint="import again"))
        entry = {"imported": {"from": source.kind, "source": source.text}, "labels": labels.as_declared(), **facts}
        book.run(text, entry, [one.trial for one in trials], known)
        for one in new:
            before = known.records.get(one.trial.key)
            for event in one.events(f"{source.kind}: {source.text}", before.attempt + 1 if before else 1, now):
                book.record(event)
        book.stop(0, "")
    return outcome


def _is_new(record: Record | None, one: ImportedTrial) -> bool:
    """Whether the ledger lacks this result: it lacks the trial, or has an attempt at it that failed or was stopped."""
    if record is None or record.ended is None:
        return True
    return record.ended.state in (State.FAILED, State.STOPPED) and one.found.state is State.COMPLETED


def _check_same(sweep_dir: SweepDir, source: ImportSource, trials: Sequence[ImportedTrial], known: History) -> None:
    """What was imported must be in the source as it was: an import adds trials, and changes none."""
    there = {one.trial.key: one for one in trials}
    gone = [record for key, record in known.records.items() if key not in there and record.ended]
    pairs = ((known.records[key], one) for key, one in there.items() if key in known.records)
    changed = [(one, why) for record, one in pairs if (why := _difference(record, one))]
    hint = "an import only adds trials: repeat the options of the first one, or import under another name"
    message = "not as it was imported before"
    problems = [
        Problem(message, one.found.where, name, now, f"{before}, as before", hint)
        for one, (name, now, before) in changed
    ]
    if gone:
        message = f"{len(gone)} of the {len(known.records)} trials imported before are not in the source"
        found = "; ".join(record.trial.name for record in gone[:MOST_NAMED])
        problems.append(Problem(message, source.text, found=found, hint=hint))
    if problems:
        raise UsageError(*problems[:MAX_PROBLEMS])


def _check_claims(sweep_dir: SweepDir, text: str) -> None:
    """The claims of an earlier import are not dropped by one without --like."""
    before = load_or_none(sweep_dir.spec) if sweep_dir.spec.is_file() else None
    if before is not None and before.claims and "\nexpect:" not in text:
        message, found = "the claims of the earlier import would be lost", plural(len(before.claims), "claim")
        raise UsageError(Problem(message, str(sweep_dir.spec), "expect", found, hint="give --like FILE again"))


def _difference(record: Record, one: ImportedTrial) -> tuple[str, str, str] | None:
    """The first thing in which a trial differs from what the ledger has: its name, what is found, what was there."""
    before, now = record.trial, one.trial
    for name in dict.fromkeys([*before.params, *now.params]):
        if before.params.get(name) != now.params.get(name):
            return name, show(now.params.get(name)), show(before.params.get(name))
    if before.seed != now.seed:
        return "seed", str(now.seed), str(before.seed)
    if record.ended is None or _is_new(record, one):
        return None
    if record.ended.state is not one.found.state:
        return "state", str(one.found.state), str(record.ended.state)
    for name in dict.fromkeys([*record.ended.metrics, *one.found.metrics]):
        first, second = record.ended.metrics.get(name), one.found.metrics.get(name)
        if not _equal(first, second):
            return name, show(second), show(first)
    return None


def _equal(one: float | None, other: float | None) -> bool:
    both_nan = one is not None and other is not None and math.isnan(one) and math.isnan(other)
    return both_nan or one == other
