"""The methods paragraph of a sweep, as a paper needs it: plain sentences from the records, and nothing beyond them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.rounding import rounded
from sweeper.ledger.history import History, claim_text
from sweeper.spec.claims.records import Claim, Compare, Interaction
from sweeper.trial import Ended, Record, State
from sweeper.value_text import plural

UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
_TESTS = {  # by kind; `test` is one of _NAMES
    "within": "within: two one-sided {test} tests per configuration",
    "mean": "mean: a one-sided {test} test per configuration (over trials: one for all, one value per seed)",
    "equivalent": "equivalent: two one-sided {test} tests of the mean, one value per seed",
    "against": "against: two one-sided {test} tests per configuration against the reference table",
    "typical": "typical: one {test} test per configuration, corrected for which of them make up the quartiles",
    "best": "best: a one-sided {test} test per configuration, corrected for the choice of the best",
    "share": "share: one {test} test per configuration, corrected for their choice (over trials: one value per seed)",
    "compare": "compare: one {test} test of the gains, paired by configuration and seed, one value per seed",
    "dominates": "dominates: per goal a test of being no worse, all of which must pass, and a {test} test of being "
    "better, corrected for the choice of the goal; gains paired as those of compare",
    "correlate": "correlate: one {test} test of the correlation over the configurations of a seed, one value per seed",
    "interaction": "interaction: one {test} test of the difference of differences, one value per seed",
    "monotone": "monotone: Page's trend test over blocks of equal settings and seed",
}
_NAMES = {"t": "t", "signflip": "sign-flip", "bootstrap": "bootstrap (BCa)", "exact": "exact"}
_SPENDING = {"obrien_fleming": "an O'Brien-Fleming", "pocock": "a Pocock"}


def paragraphs(history: History, claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> list[str]:
    """What was registered, tested, run, left out and used, a paragraph each, by the ledger's word alone."""
    records = history.planned()
    parts = [_registered(history, claims, verdicts), _tested(claims, verdicts), _looked(history, verdicts)]
    parts += [_sample(records), _deviations(history, records), _resources(history, records)]
    return [text for part in parts if (text := " ".join(part))]


def _registered(history: History, claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Which claims are older than their results, and what the chain proves of that."""
    chain, current = history.chain, [verdict for verdict in verdicts if not verdict.replaced]
    if not current:
        return
    yield f"The sweep file states {plural(len(current), 'claim')}."
    if chain.breaks or not chain.since:
        why = f"breaks at line {chain.breaks[0]}" if chain.breaks else "is missing"
        yield f"The chain of hashes through the ledger {why}: no claim counts as registered before its results."
        return
    for number, names in _by_run(history, claims, current).items():
        run = history.runs[number]
        yield f"{_quoted(names)} {_was(len(names))} registered on {_time(run)}{_at_commit(run)},"
        yield f"before any result that judges {'it' if len(names) == 1 else 'them'} existed."
    for verdict in current:
        if verdict.status != "registered":
            yield f'The claim "{verdict.name}" is {verdict.standing}.'
    for verdict in verdicts:
        if verdict.replaced:
            yield f'An earlier text of "{verdict.name}" gave: {verdict.outcome} ({verdict.sentence}).'
    yield f"The {plural(chain.lines, 'line')} of the ledger form an unbroken chain of SHA-256 hashes;"
    yield f"its head is {chain.head}."


def _tested(claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The tests that were used, their levels and the corrections."""
    used = dict.fromkeys((one.kind, one.test) for one in verdicts if one.test)
    counted = sum(not one.test and one.outcome != "undecided" and not one.replaced for one in verdicts)
    if counted:
        yield f"{plural(counted, 'claim')} {_was(counted)} decided by counting trials, without a test."
    if not used:
        return
    yield f"The tests were: {'; '.join(_TESTS[kind].format(test=_NAMES[test]) for kind, test in used)}."
    if {("compare", "exact"), ("interaction", "exact")} & used.keys() and any(_counts_from_0(one) for one in claims):
        yield "Exact tests of gains assume that none lies on the other side of 0 than the bound,"
        yield "or none farther than those seen."
    alphas = sorted({claim.alpha for claim in claims})
    levels = " and ".join(f"{alpha:g} (intervals of {1 - 2 * alpha:.4g})" for alpha in alphas)
    yield f"All tests are one-sided, at the level {levels}."
    families = Counter(claim.family for claim in claims if claim.family)
    for family, count in families.items():
        yield f'{plural(count, "claim")} of the family "{family}" were corrected together by Holm\'s procedure.'
    if alone := sum(not claim.family for claim in claims):
        yield f"{plural(alone, 'claim')} of no family {_was(alone)} not corrected."


def _counts_from_0(claim: Claim) -> bool:
    return isinstance(claim.test, Compare | Interaction) and claim.test.bound != 0 and claim.method is None


def _looked(history: History, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """When the claims were judged, and at which levels."""
    plan = history.runs[-1].get("looks") if history.runs else None
    if isinstance(plan, Mapping) and isinstance(plan.get("sizes"), list) and verdicts:
        sizes, spending = ", ".join(map(str, plan["sizes"])), str(plan.get("spending"))
        yield f"Looks were planned at {sizes} seeds per configuration, at the levels that"
        yield f"{_SPENDING.get(spending, spending)} spending function leaves;"
        yield "seeds were added only where an open claim needed them."
        held = sorted({look.seeds for look in history.claim_looks})
        yield f"Looks were held at {', '.join(map(str, held))} seeds." if held else "No look has been held."
    unplanned = sorted({look.seeds for look in history.looks})
    if len(unplanned) > 1 and verdicts:
        seen = ", ".join(map(str, unplanned))
        yield f"The complete sweep was judged with {seen} seeds; these looks were not planned."
    spent = max((verdict.spent or 0.0 for verdict in verdicts), default=0.0)
    if spent and any(verdict.looks > 1 for verdict in verdicts):
        yield f"All looks together pass a null claim with probability {spent:.3f} at most, by the normal approximation."


def _sample(records: Sequence[Record]) -> Iterator[str]:
    """How many configurations, seeds and trials there are, and which trials are in no mean."""
    if not records:
        yield "No trial is planned."
        return
    seeds = Counter(record.trial.config for record in records)
    fewest, most = min(seeds.values()), max(seeds.values())
    each = plural(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
    states = Counter(record.state for record in records)
    yield f"{plural(len(seeds), 'configuration')} with {each} each {_was(len(seeds))} planned:"
    yield f"{plural(len(records), 'trial')}, of which {states[State.COMPLETED]} completed."
    left = [f"{states[s]} {s}" for s in (State.DIVERGED, State.FAILED, State.PRUNED, State.STOPPED) if states[s]]
    if left:
        yield f"Excluded from every mean: {', '.join(left)}."
    if waiting := states[State.PENDING] + states[State.RUNNING]:
        yield f"{plural(waiting, 'trial')} {'has' if waiting == 1 else 'have'} no result yet."


def _deviations(history: History, records: Sequence[Record]) -> Iterator[str]:
    """What did not go by one plan: steering, taken over results, other code, further attempts, several runs, damage."""
    ended = [(record, record.ended) for record in records if record.ended is not None]
    yield from _steered(history, [end for record, end in ended if record.state is State.STOPPED])
    if history.is_imported:
        yield f"All trials were imported ({history.imported_from}): they were trained elsewhere, by code unknown here."
    elif taken := sum(bool(end.origin) for _, end in ended):
        origins = _listed(end.origin for _, end in ended)
        yield f"{plural(taken, 'result')} {_was(taken)} taken over from other sweeps: {origins}."
    if again := sum(record.attempt > 1 for record, _ in ended):
        yield f"{plural(again, 'trial')} took more than one attempt."
    if len(codes := {record.trial.code for record in records}) > 1:
        yield f"The trials are of {len(codes)} versions of the trainer's code."
    if len(commits := sorted({end.commit for _, end in ended if end.commit})) > 1:
        yield f"They were trained at {len(commits)} commits: {', '.join(commits)}."
    if len(history.runs) > 1 and not history.is_imported:
        yield f"The sweep took {len(history.runs)} runs."
    if patched := sum(bool(run.get("patch")) for run in history.runs):
        yield f"{plural(patched, 'run')} began with changes that were not committed; the ledger names their patch."
    times = [float(run["at"]) for run in history.runs]
    if any(later < earlier for earlier, later in pairwise(times)):
        yield "The clock went back between two runs: the order of the ledger's lines counts, not their times."
    if history.damaged:
        yield f"{plural(history.damaged, 'damaged line')} of the ledger {_was(history.damaged)} not read."


def _steered(history: History, stopped: Sequence[Ended]) -> Iterator[str]:
    """What people did to the runs: the trials that they stopped, perhaps for their results, and other commands."""
    if stopped:
        reasons = "; ".join(f"{count} {reason}" for reason, count in Counter(end.reason for end in stopped).items())
        yield f"{plural(len(stopped), 'trial')} {_was(len(stopped))} stopped by hand, against the plan ({reasons})."
    others = Counter(one["command"] for one in history.commands if not one["command"].startswith("stop --"))
    if others:
        text = ", ".join(command + (f" ({count} times)" if count > 1 else "") for command, count in others.items())
        yield f"The runs were steered by hand: {text}."


def _resources(history: History, records: Sequence[Record]) -> Iterator[str]:
    """The time that the trials report, where, and with which packages."""
    ended = [record.ended for record in records if record.ended is not None and not record.ended.origin]
    seconds = math.fsum(end.wall_s for end in ended)
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size or size == 1)
    if ended:
        devices = _listed(end.device for end in ended)
        yield f"The trials of this sweep report {rounded(seconds / size)} {unit} of training in all, on {devices}."
    packages = history.runs[-1].get("packages") if history.runs else None
    if isinstance(packages, Mapping) and packages:
        python = history.runs[-1].get("python")
        versions = [f"Python {python}"] if python else []
        versions += [f"{name} {version}" for name, version in packages.items()]
        yield f"The last run used {', '.join(versions)}."


def _by_run(history: History, claims: Sequence[Claim], current: Sequence[Verdict]) -> dict[int, list[str]]:
    """The names of the registered claims by the run that wrote them down."""
    found: dict[int, list[str]] = {}
    for claim, verdict in zip(claims, current, strict=True):
        registration = history.registered.get(claim_text(claim.keys))
        if verdict.status == "registered" and registration is not None:
            found.setdefault(registration.run, []).append(claim.name)
    return found


def _time(run: Mapping[str, Any]) -> str:
    return datetime.fromtimestamp(float(run["at"]), UTC).strftime("%Y-%m-%d at %H:%M:%S UTC")


def _at_commit(run: Mapping[str, Any]) -> str:
    return f", commit {run['commit']}" if run.get("commit") else ""


def _quoted(names: Sequence[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"The claim {quoted}" if len(names) == 1 else f"The claims {quoted}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _listed(names: Iterator[str]) -> str:
    return ", ".join(sorted({name for name in names if name})) or "an unnamed one"
