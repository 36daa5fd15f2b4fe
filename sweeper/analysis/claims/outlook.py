"""What a plan can do for its claims, before anything is trained: the seeds they need, the effect they would find."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeper.analysis.claims.looks import level_of
from sweeper.analysis.claims.methods import with_range
from sweeper.analysis.claims.power import (
    claimed_size,
    design,
    deviations,
    pooled_sd,
    values_of_seeds,
)
from sweeper.analysis.claims.verdict import format_list
from sweeper.analysis.designs import BoundedDesign, Design, MeanDesign, ShareDesign
from sweeper.analysis.evidence import collect
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import MOST_SEEDS
from sweeper.errors import Problem
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.planning.plan import Plan
from sweeper.spec.claims.records import Best, Claim, Compare, Dominates, Interaction, Monotone
from sweeper.trial import Params, Record, Trial
from sweeper.value_text import plural, show


@dataclass(frozen=True, slots=True)
class PriorSpread:
    """A standard deviation and which earlier results it is from, in words."""

    sd: float
    source: str


@dataclass(frozen=True, slots=True)
class ClaimOutlook:
    """Whether a claim can pass with the planned trials, and what else they can do for it; None: unknown.

    `found` and `needs` count `unit`s: pairs, seeds of a configuration, blocks, trials. `seeds_needed` bring them, for
    `needs_device_hours` beyond the plan's. `smallest_effect` is how far beyond its bound the truth must lie to be found
    with 80 % power, in the metric's unit, and `power` the chance to pass where it lies the claim's own margin inside.
    Half of that effect takes `half_effect_seeds`, those beyond the plan's `half_effect_device_hours`.
    `caution` is why a verdict would say less than the claim seems to, or earlier results rule it out.
    """

    name: str
    kind: str
    metric: str
    decidable: bool | None
    unit: str = ""
    found: int = 0
    needs: int = 0
    seeds_needed: int | None = None
    needs_device_hours: float | None = None
    smallest_effect: float | None = None
    sd: float | None = None
    sd_from: str = ""
    power: float | None = None
    half_effect_seeds: int | None = None
    half_effect_device_hours: float | None = None
    reason: str = ""
    caution: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def outlooks(plan: Plan, results: Path | None, assumed_sd: float | None = None) -> list[ClaimOutlook]:
    """The outlook of each claim of the plan; the spread is that of earlier results in `results`, or `assumed_sd`."""
    planned = [Record(trial) for trial in _at_most(plan)]
    earlier = _Earlier(plan, results)
    return [
        replace(_outlook(plan, claim, planned, earlier, assumed_sd), caution=_caution(plan, claim, planned, earlier))
        for claim in _at_last_look(plan)
    ]


def _at_most(plan: Plan) -> list[Trial]:
    """The planned trials, with all seeds that the configurations can get."""
    trials = [item.trial for item in plan.items]
    first = {trial.config: trial for trial in reversed(trials)}
    added = range(len(plan.sweep.seeds), plan.sweep.most_seeds)
    known = [trial for trial in trials if trial.seed not in added]
    return known + [replace(one, seed=seed, key=f"{config}-{seed}") for config, one in first.items() for seed in added]


def _at_last_look(plan: Plan) -> list[Claim]:
    """The claims with the level that is left for them at the last look."""
    looks, claims = plan.sweep.looks, plan.sweep.claims
    return [replace(claim, alpha=level_of(claim, looks, -1, 1)) for claim in claims] if looks else [*claims]


def warnings_of(plan: Plan, found: Sequence[ClaimOutlook]) -> Iterator[Problem]:
    """The claims that can never pass with the plan's trials, each with what it needs, and those with a caution."""
    seeds = plan.sweep.most_seeds
    for index, one in enumerate(found):
        if one.caution:
            (what, _, hint), key = one.caution.partition("; "), f"expect[{index}]"
            yield Problem(f"the claim {one.name!r}: {what}", plan.sweep.place(key), key, hint=hint)
        if one.decidable is not False:
            continue
        key = f"expect[{index}]"
        hint = one.reason
        if one.needs:
            enough = max(one.seeds_needed or 0, seeds + 1)
            hint = f"seeds: {f'{{max: {enough}}}' if plan.sweep.looks else enough}, or take the claim out"
        units = plural(one.found, one.unit) if one.needs else ""
        units += f" with {plural(seeds, 'seed')}" if one.needs and one.unit != "seed" else ""
        allowed = f"at least {plural(one.needs, one.unit)}" if one.needs else ""
        message = f"the claim {one.name!r} can never pass with this file's trials"
        yield Problem(message, plan.sweep.place(key), key, units, allowed, hint)


def outlook_text(one: ClaimOutlook) -> str:
    """`finds 0.12 or more beyond its bound with 80 % power (sd 0.1 of 24 values in grid)`."""
    if one.decidable is None:
        return f"not known before the run: {one.reason}"
    if not one.decidable and one.needs_device_hours:
        cost = f"seeds: {one.seeds_needed} for {rounded(one.needs_device_hours)} device-hours more"
        return f"can never pass: {plural(one.found, one.unit)}, {one.needs} needed ({cost})"
    if not one.decidable:
        return f"can never pass: {one.reason or f'{plural(one.found, one.unit)}, {one.needs} needed'}"
    if one.smallest_effect is None:
        return one.reason
    text = f"finds {rounded(one.smallest_effect)} or more beyond its bound with 80 % power"
    text += f" (sd {rounded(one.sd)} {one.sd_from})" if one.sd is not None else ""
    text += f"; power {one.power:.0%} at the size it names" if one.power is not None else ""
    if one.half_effect_seeds:
        hours = one.half_effect_device_hours
        cost = f", {rounded(hours)} device-hours more" if hours is not None else ""
        text += f"; half of that takes {plural(one.half_effect_seeds, 'seed')}{cost}"
    return text


class _Earlier:
    """Earlier results: of the sweep itself, and of the other sweeps of the folder, which are read when asked for."""

    def __init__(self, plan: Plan, results: Path | None) -> None:
        self._own = SweepDir(results, plan.sweep.name) if results else None
        self._trainer = plan.sweep.trainer

    def spread(self, claim: Claim) -> PriorSpread | None:
        """The spread that the claim's test looks at: in this sweep, else in the others, else that of single seeds."""
        for sweeps in (self._here, self._elsewhere):
            known = [(name, deviations(claim, collect(claim, records), records)) for name, records in sweeps]
            if found := _pooled(known):
                return found
        terms = {Compare: 2, Monotone: 2, Interaction: 4}.get(type(claim.test), 0)  # of a difference of single values
        for sweeps in (self._here, self._elsewhere) if terms else ():
            known = [(name, values_of_seeds(claim, collect(claim, records))) for name, records in sweeps]
            if found := _pooled(known):
                return PriorSpread(math.sqrt(terms) * found.sd, f"{found.source}, as of unpaired seeds")
        return None

    def mean(self, claim: Claim, params: Params) -> tuple[float, str] | None:
        """The mean of a claim's metric where trials had these settings, and in which sweeps: this one if it can."""
        for sweeps in (self._here, self._elsewhere):
            known = [
                (name, group.numbers)
                for name, records in sweeps
                for group in collect(claim, records).measured
                if params.items() <= group.params.items()
            ]
            values = [value for _, numbers in known for value in numbers]
            if values:
                return math.fsum(values) / len(values), format_list([*dict.fromkeys(name for name, _ in known)])
        return None

    @cached_property
    def _here(self) -> list[tuple[str, list[Record]]]:
        return [(self._own.name, read_history(self._own).planned())] if self._own else []

    @cached_property
    def _elsewhere(self) -> list[tuple[str, list[Record]]]:
        own = self._own
        others = [sweep for sweep in list_sweeps(own.results) if sweep.name != own.name] if own else []
        known = [(sweep.name, read_history(sweep).planned()) for sweep in others]
        return [(name, [r for r in records if r.trial.trainer == self._trainer]) for name, records in known]


def _pooled(sweeps: Sequence[tuple[str, list[list[float]]]]) -> PriorSpread | None:
    """The spread within the groups of all sweeps; None where there are no two values."""
    found = pooled_sd([group for _, groups in sweeps for group in groups])
    if found is None:
        return None
    names = [name for name, groups in sweeps if any(len(group) > 1 for group in groups)]
    return PriorSpread(found[0], f"of {found[1]} values in {format_list(names)}")


def _outlook(plan: Plan, claim: Claim, planned: Sequence[Record], earlier: _Earlier, sd: float | None) -> ClaimOutlook:
    blank = ClaimOutlook(claim.name, claim.kind, claim.metric, None)
    if not plan.complete:
        return replace(blank, reason="the configurations are chosen in the run")
    evidence = collect(claim, planned)
    if evidence.problem:
        return replace(blank, decidable=False, reason=evidence.problem)
    made = design(claim, evidence, planned, plan.sweep.claims, measured=False)
    if made is None:
        return replace(blank, reason=f"nothing is known of the power of {claim.kind}")
    if not made.found:
        return replace(blank, decidable=False, unit=made.unit, reason=f"the plan has no {made.unit} that it is about")
    if made.seeds_needed > MOST_SEEDS:
        return replace(blank, decidable=False, unit=made.unit, reason=f"its test needs more than {MOST_SEEDS} seeds")
    known = replace(
        blank,
        decidable=made.found >= made.fewest,
        unit=made.unit,
        found=made.found,
        needs=made.fewest,
        seeds_needed=made.seeds_needed,
        needs_device_hours=_device_hours(plan, made.seeds_needed, len(evidence.groups)),
    )
    if not known.decidable:
        return known
    if isinstance(made, ShareDesign):
        return _with_effect(plan, known, made, 0.0, len(evidence.groups))
    if not isinstance(made, MeanDesign | BoundedDesign):
        why = "its goals have units of their own" if isinstance(claim.test, Dominates) else "counts what is there"
        return replace(known, reason=f"{why}: no power to reckon")
    spread = earlier.spread(claim) if sd is None else PriorSpread(sd, "assumed")
    if spread is None:
        return replace(known, reason="no earlier result tells the spread: --assume-sd X for the smallest effect")
    size, both_ends = claimed_size(claim)
    power = made.power(size, spread.sd, both_ends=both_ends) if size else None
    known = replace(known, sd=spread.sd, sd_from=spread.source, power=power)
    return _with_effect(plan, known, made, spread.sd, len(evidence.groups))


def _caution(plan: Plan, claim: Claim, planned: Sequence[Record], earlier: _Earlier) -> str:
    """`what; hint`, "" for none."""
    if isinstance(claim.test, Best):
        contrasted = [one for one in plan.sweep.claims if isinstance(one.test, Compare | Dominates | Interaction)]
        if not any(claim.metric in one.metrics for one in contrasted):
            return "some configuration may reach that without what the sweep is about; add a compare with its control"
    if not isinstance(claim.test, Compare) or claim.test.effect not in ("greater", "less") or not claim.test.min_gain:
        return ""
    known, ends = earlier.mean(claim, claim.test.second), with_range(claim, planned).range
    if known is None or ends is None:
        return ""
    most = ends[1] - known[0] if claim.test.effect == "greater" else known[0] - ends[0]
    if most >= claim.test.min_gain:
        return ""
    settings = ", ".join(f"{name}={show(value)}" for name, value in claim.test.second.items())
    what = f"{settings} had a mean of {rounded(known[0])} in {known[1]}: it can gain {rounded(most)} at most"
    return f"{what}; min_gain: at most that, or not_lower with a margin"


def _with_effect(plan: Plan, known: ClaimOutlook, made: Design, sd: float, configs: int) -> ClaimOutlook:
    """The smallest effect, and what finding half of it costs."""
    smallest, seeds = made.distance(made.found, sd), plan.sweep.most_seeds
    if not smallest:
        return replace(known, smallest_effect=smallest, reason="" if smallest == 0 else "too few to find any effect")

    def finds_half(count: int) -> bool:
        return made.finds(smallest / 2, round(made.per_seed * count), sd)

    counts = range(seeds, MOST_SEEDS + 1)
    index = bisect_left(counts, True, key=finds_half)
    half = counts[index] if index < len(counts) else None
    hours = _device_hours(plan, half, configs)
    return replace(known, smallest_effect=smallest, half_effect_seeds=half, half_effect_device_hours=hours)


def _device_hours(plan: Plan, seeds: int | None, configs: int) -> float | None:
    """What so many seeds of so many configurations cost beyond those of the plan."""
    more, each_s = max(0, (seeds or 0) - plan.sweep.most_seeds), plan.estimate.trial_s
    return more * configs * each_s / 3600 if seeds is not None and each_s is not None else None
