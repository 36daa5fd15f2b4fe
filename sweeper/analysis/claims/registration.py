"""Whether a claim was written down before the results that judge it, by the ledger's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sweeper.ledger.history import History, Registration, claim_text
from sweeper.trial import Record

Status = Literal["registered", "exploratory", "amended", "unregistered"]


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """How a claim stands: its status, a sentence with the reason, and what had been seen.

    `results_seen` counts the results that existed when the claim was written, those taken over from other sweeps
    included; `looks` the times since then that the sweep was complete with more results than before.
    """

    status: Status
    text: str
    results_seen: int
    looks: int


def claim_status(keys: Mapping[str, Any], history: History, records: Sequence[Record]) -> ClaimStatus:
    """How the claim with these keys stands towards the results among `records`."""
    results = [record for record in records if record.state.is_result]
    broken = history.chain.breaks
    if broken or not history.chain.since:
        why = f": the ledger's chain breaks at line {broken[0]}" if broken else ""
        return ClaimStatus("unregistered", f"unregistered{why}", len(results), len(history.looks))
    registration = history.registered.get(claim_text(keys))
    if registration is None:
        return ClaimStatus("exploratory", f"exploratory: {_after(len(results), len(results))}", len(results), 0)
    seen = sum(_was_seen(record, registration) for record in results)
    looks = sum(run >= registration.run for run in history.looks)
    if not seen:
        text = f"registered; look {looks}" if looks > 1 else "registered"
        return ClaimStatus("registered", text, 0, looks)
    if not amended(keys, history):
        return ClaimStatus("exploratory", f"exploratory: {_after(seen, len(results))}", seen, looks)
    reason = history.runs[registration.run].get("reason", "")
    text = f"amended: {_after(seen, len(results))}" + (f" ({reason})" if reason else "")
    return ClaimStatus("amended", text, seen, looks)


def amended(keys: Mapping[str, Any], history: History) -> list[Registration]:
    """The claims of the same name that this one replaced, oldest first."""
    now = history.registered.get(claim_text(keys))
    named = [one for one in history.registered.values() if one.keys["name"] == keys["name"]]
    return [one for one in named if now is not None and one.run < now.run]


def _was_seen(record: Record, registration: Registration) -> bool:
    taken_over = record.ended is not None and bool(record.ended.origin)
    return record.trial.key in registration.seen or taken_over


def _after(seen: int, results: int) -> str:
    return f"written after {seen} of {results} result{'s' if results != 1 else ''}"
