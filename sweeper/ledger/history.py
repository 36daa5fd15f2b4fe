"""What is known of a sweep: its ledger and curves, read back."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sweeper.errors import LedgerError, LedgerWarning, Problem
from sweeper.ledger import entries, jsonl, lock
from sweeper.ledger.chain import Chain, digest
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.trial import IMPORTED, Record, Trial
from sweeper.value_text import NO_LABELS, Labels

VERSION = 2  # since lines carry the hash of the one before; version 1 is read as it is
T = TypeVar("T")


@dataclass(slots=True)
class History:
    """The content of a ledger: every trial it knows, the trials of the sweep as last planned, its runs, damaged lines.

    `registered` holds every claim that some run wrote down, in that order, by its text. `looks` are the complete runs
    at fixed seeds; `claim_looks` those between batches, of runs whose seeds are added until the claims are decided.

    `undescribed` are the starts and ends of trials whose own line is damaged. `is_partial` means that a line after the
    last `run` was damaged: `order` then also has every trial that other lines prove to be asked for.
    """

    records: dict[str, Record] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    registered: dict[str, entries.Registration] = field(default_factory=dict)
    looks: list[entries.SweepLook] = field(default_factory=list)
    claim_looks: list[entries.ClaimLook] = field(default_factory=list)
    last_look: int = 0  # the results that it saw
    commands: list[dict[str, str]] = field(default_factory=list)  # by which people steered the runs, in their order
    additions: list[entries.Addition] = field(default_factory=list)  # what of them added trials to the sweep
    chain: Chain = field(default_factory=Chain)
    damaged: int = 0
    undescribed: dict[str, list[tuple[str, dict[str, Any], int]]] = field(default_factory=dict)
    is_partial: bool = False
    _ordered: set[str] = field(default_factory=set, compare=False)
    _new: list[str] = field(default_factory=list, compare=False)  # described since the last `run` or `more`

    def planned(self) -> list[Record]:
        """The trials of the sweep as last planned, in that order."""
        return [self.records[key] for key in self.order if key in self.records]

    @property
    def labels(self) -> Labels:
        """What the last run called its parameters and metrics."""
        declared = self.runs[-1].get("labels") if self.runs else None
        return Labels.declared(declared) if isinstance(declared, Mapping) else NO_LABELS

    @property
    def is_imported(self) -> bool:
        """Whether the sweep was read in by `sweeper import`: no trial of it was trained here."""
        return bool(self.imported_from)

    @property
    def imported_from(self) -> str:
        """The tool and source of an imported sweep, `csv: runs.csv`; "" for another."""
        found = self.runs[-1].get("imported") if self.runs else None
        return f"{found.get('from')}: {found.get('source')}" if isinstance(found, Mapping) else ""

    def describe(self, trials: Iterable[Trial]) -> None:
        """Make records of trials that the caller knows, where the ledger has their ends but not what they are."""
        for trial in trials:
            if trial.key in self.undescribed:
                self._add(trial)

    def describes(self, trial: Trial) -> bool:
        """Whether the trial is known with the same settings, of which the same vary."""
        known = self.records[trial.key].trial if trial.key in self.records else None
        return known is not None and known.params == trial.params and known.varied.keys() == trial.varied.keys()

    def _add(self, trial: Trial) -> None:
        record = self.records.setdefault(trial.key, Record(trial))
        record.trial = trial  # the latest run may vary, or name, settings that the first did not
        for kind, entry, run in self.undescribed.get(trial.key, ()):
            with contextlib.suppress(*entries.NOT_OURS):
                entries.advance(record, kind, entry, run)

    def _ask(self, keys: Iterable[str]) -> None:
        """These trials belong to the sweep as last planned."""
        new = [key for key in keys if key not in self._ordered]
        self.order += new
        self._ordered.update(new)

    def _lose(self) -> None:
        """A line is damaged: a `run` or `more` would have asked for the trials described just before it."""
        self.is_partial = True
        self._ask(self._new)
        self._new.clear()

    def run_of(self, record: Record) -> dict[str, Any]:
        """The run that trained this: the one above its end in the ledger; {} where the result was taken over."""
        taken = record.ended is None or record.ended.origin
        return {} if taken or not 0 < record.run <= len(self.runs) else self.runs[record.run - 1]


def holds_code(results: Path, code: str) -> bool:
    """Whether some ledger of the results folder holds a trial of the trainer code with this digest."""
    entry = f'"code":"{code}"'.encode()
    return bool(code) and any(
        entry in text for _, text in readable(results, lambda sweep: jsonl.contents(sweep.ledger))
    )


def is_imported(sweep: SweepDir) -> bool:
    """Whether a sweep was read in by `sweeper import`; without making a history of it."""
    return f'"code":"{IMPORTED}"'.encode() in jsonl.contents(sweep.ledger)


def readable(results: Path, read: Callable[[SweepDir], T]) -> Iterator[tuple[SweepDir, T]]:
    """Each sweep of a results folder with what `read` makes of it; a LedgerWarning for each that cannot be read."""
    for sweep in list_sweeps(results):
        try:
            yield sweep, read(sweep)
        except LedgerError as error:
            _warn(error.problems[0].where, error.problems[0].message)


def ledger_size(sweep: SweepDir) -> int:
    """The length of a sweep's ledger in bytes: 0 where there is none. It only ever grows."""
    return sweep.ledger.stat().st_size if sweep.ledger.exists() else 0


def audit(sweep: SweepDir, quoted: str = "") -> Chain:
    """Follow the chain of hashes through a sweep's ledger. Raises LedgerError where it cannot be read."""
    chain = Chain(quoted)
    for entry in jsonl.read(sweep.ledger, chain):
        if entry is not None and entry.get("e") in ("run", "look", "stop") and isinstance(entry.get("at"), float):
            chain.date(entry["at"])
    return chain


def read_history(sweep: SweepDir, *, curves: bool = False) -> History:
    """Read what is known of a sweep; an empty history where it has no ledger. Reports are read only with `curves`.

    A LedgerWarning gives the number of damaged lines. Raises LedgerError for a ledger that cannot be read.
    """
    history = History()
    history.damaged = _read(sweep.ledger, history.chain, lambda entry: _apply(history, entry, sweep), history._lose)
    if history.undescribed and not history.damaged:
        history.damaged = sum(map(len, history.undescribed.values()))
        _warn(str(sweep.ledger), f"{len(history.undescribed)} of its trials are described nowhere")
    _look(history)
    if (labels := history.labels) != NO_LABELS:
        _name(history, labels)
    if not lock.holder(sweep.lock):
        _close_open_attempts(history)
    if curves:
        _read_curves(sweep, history)
    return history


def _read_curves(sweep: SweepDir, history: History) -> None:
    """The curve of a trial: what its latest attempt reported, before that what led to the checkpoint it began from."""

    def take(entry: dict[str, Any]) -> None:
        if record := history.records.get(entry["trial"]):
            report = entries.report_of(entry)
            while record.reports and record.reports[-1].step >= report.step:
                record.reports.pop()
            record.reports.append(report)

    history.damaged += _read(sweep.curves, None, take, lambda: None)
    for record in history.records.values():
        now, since = record.attempt, record.resumed
        record.reports = [report for report in record.reports if report.attempt == now or report.step <= since]


def _read(path: Path, chain: Chain | None, take: Callable[[dict[str, Any]], None], lose: Callable[[], None]) -> int:
    """Let every whole line be taken. Returns how many are damaged, or whole and yet none of ours, and warns of them."""
    first = count = 0
    for number, entry in enumerate(jsonl.read(path, chain), 1):
        try:
            if entry is None:
                raise ValueError("damaged")
            take(entry)
        except entries.NOT_OURS:
            lose()
            first, count = first or number, count + 1
    if count:
        lines = "1 line is" if count == 1 else f"{count} lines are"
        _warn(f"{path}:{first}", f"{lines} damaged and not read; what the other lines prove is used")
    return count


def _warn(where: str, problem: str) -> None:
    """Warn; from one place, so that Python shows it once however often a command reads the file."""
    warnings.warn(LedgerWarning(Problem(problem, where)), stacklevel=1)


def _apply(history: History, entry: dict[str, Any], sweep: SweepDir) -> None:
    kind = entry.pop("e")
    if kind == "trial":
        trial = entries.trial_of(entry)
        history._add(trial)
        history.undescribed.pop(trial.key, None)
        history._new.append(trial.key)
    elif kind in ("start", "end"):
        key = entries.key_of(entry)
        if key in history.records:
            entries.advance(history.records[key], kind, entry, len(history.runs))
            history._ask([key])  # whatever the earlier lines hold: nothing else is started
        else:
            history.undescribed.setdefault(key, []).append((kind, entry, len(history.runs)))
    elif kind == "run":
        order, entry["at"] = entries.keys_of(entry.pop("order")), float(entry["at"])
        _look(history)
        history.order, history._ordered, history.is_partial = order, set(order), False
        history._new.clear()
        _register(history, entry.get("claims", ()))
        history.runs.append(entry)
        _close_open_attempts(history)
    elif kind == "more":
        history._ask(entries.keys_of(entry["order"]))
        history._new.clear()
    elif kind == "look":
        run = len(history.runs) - 1
        history.claim_looks += [replace(entries.look_of(one), run=run) for one in entry["claims"]]
    elif kind == "command":
        history.commands.append({name: str(entry[name]) for name in ("command", "who", "reason", "did")})
        if "added_to" in entry:
            _take_addition(history, entries.addition_of(entry))
    elif kind == "stop":
        if not history.is_partial:  # else it may be the end of a run whose beginning is damaged
            history.runs[-1]["stopped"] = entry
    elif kind == "ledger" and entry["version"] not in (1, VERSION):
        problem = f"written by another sweeper: version {entry['version']} of the ledger, this one reads 1 to {VERSION}"
        raise LedgerError(Problem(problem, str(sweep.ledger)))
    elif not isinstance(kind, str):
        raise TypeError("no kind of line")


def claim_text(keys: Mapping[str, Any]) -> str:
    """What makes two claims the same: their keys but for the name, in one order."""
    return json.dumps({key: value for key, value in keys.items() if key != "name"}, sort_keys=True)


def claim_digest(keys: Mapping[str, Any]) -> str:
    """The claim in the entries of its looks: 16 hex digits over its text."""
    return digest(claim_text(keys).encode())[:16]


def _register(history: History, claims: Sequence[dict[str, Any]]) -> None:
    new = {text: keys for keys in claims if (text := claim_text(keys)) not in history.registered}
    if new:
        seen = frozenset(key for key, record in history.records.items() if record.state.is_result)
        run = len(history.runs)
        history.registered |= {text: entries.Registration(keys, run, seen) for text, keys in new.items()}


def _name(history: History, labels: Labels) -> None:
    """Every trial goes by what the last run calls its settings."""
    for record in history.records.values():
        record.trial = replace(record.trial, labels=labels)


def _look(history: History) -> None:
    """Called where a run is over, or the ledger: were all trials of the plan done, and more than at the last look?"""
    if history.runs and history.runs[-1].get("looks"):
        return  # such a run writes its looks down
    planned = history.planned()
    results = sum(record.state.is_result for record in planned)
    if all(record.ended for record in planned) and results > history.last_look:
        seeds = Counter(record.trial.config for record in planned)
        history.looks.append(entries.SweepLook(len(history.runs) - 1, max(seeds.values())))
        history.last_look = results


def _take_addition(history: History, addition: entries.Addition) -> None:
    """Somebody added trials: with results there already, that is a look at them."""
    seen = sum(record.state.is_result for record in history.planned())
    history.additions.append(replace(addition, seen=seen))
    if seen > history.last_look:
        seeds = Counter(record.trial.config for record in history.planned() if record.state.is_result)
        history.looks.append(entries.SweepLook(len(history.runs) - 1, max(seeds.values())))
        history.last_look = seen


def _close_open_attempts(history: History) -> None:
    """The driver of these attempts is gone: their trials are pending again."""
    for record in history.records.values():
        if record.ended is None:
            record.started = None
