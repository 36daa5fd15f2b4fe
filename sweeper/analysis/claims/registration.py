"""Whether a claim was written down before the results that judge it, by the ledger's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.analysis.claims.verdict import Status
from sweeper.ledger.entries import Registration
from sweeper.ledger.history import History, claim_digest, claim_text
from sweeper.trial import Record
from sweeper.value_text import plural


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """How a claim stands: its status, a sentence with the reason, and what had been seen.

    `results_seen` counts the results that existed when the claim was written, those taken over from other sweeps
    included; `looks` the times since then that the sweep was complete with more results than before. `amends` are the
    claims of its name that an amended one replaced, oldest first.
    """

    status: Status
    text: str
    results_seen: int
    looks: int
    amends: tuple[Registration, ...] = ()


def claim_status(keys: Mapping[str, Any], history: History, records: Sequence[Record]) -> ClaimStatus:
    """How the claim with these keys stands towards the results among `records`, the trials that it is about."""
    results = [record for record in records if record.state.is_result]
    broken = history.chain.breaks
    if broken or not history.chain.since:
        why = f": the ledger's chain breaks at line {broken[0]}" if broken else ""
        return ClaimStatus("unregistered", f"unregistered{why}", len(results), len(history.looks))
    if history.is_imported:
        text = f"exploratory: {plural(len(results), 'result')} imported"
        return ClaimStatus("exploratory", text, len(results), 0)
    registration = history.registered.get(claim_text(keys))
    if registration is None:
        return ClaimStatus("exploratory", f"exploratory: {_after(len(results), len(results))}", len(results), 0)
    seen = sum(_was_seen(record, registration) for record in results)
    looks = sum(look.run >= registration.run for look in history.looks)
    looks += len({look.seeds for look in history.claim_looks if look.claim == claim_digest(keys)})
    if not seen:
        text = f"registered; look {looks}" if looks > 1 else "registered"
        if added := _added(history, results):
            text += f"; {plural(added, 'result')} of trials added by hand after others were seen"
        return ClaimStatus("registered", text, 0, looks)
    named = [one for one in history.registered.values() if one.keys.get("name") == keys["name"]]
    amends = tuple(one for one in named if one.run < registration.run)
    if not amends:
        return ClaimStatus("exploratory", f"exploratory: {_after(seen, len(results))}", seen, looks)
    reason = history.runs[registration.run].get("reason", "")
    text = f"amended: {_after(seen, len(results))}" + (f" ({reason})" if reason else "")
    return ClaimStatus("amended", text, seen, looks, amends)


def _was_seen(record: Record, registration: Registration) -> bool:
    taken_over = record.ended is not None and bool(record.ended.origin)
    return record.trial.key in registration.seen or taken_over


def _added(history: History, results: Sequence[Record]) -> int:
    """How many of the results are of trials that somebody added, and could choose by the results until then."""
    added = {key for one in history.additions if one.seen for key in one.trials}
    return sum(record.trial.key in added for record in results)


def _after(seen: int, results: int) -> str:
    return f"written after {seen} of {plural(results, 'result')}"
