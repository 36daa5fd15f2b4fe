"""From the keys of a claim to its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.spec.claims.records import (
    Against,
    Best,
    Claim,
    ClaimGoal,
    Compare,
    Correlate,
    Dominates,
    Equivalent,
    Interaction,
    Mean,
    Monotone,
    Share,
    Success,
    Test,
    Typical,
    Within,
)
from sweeper.spec.space.expressions import condition
from sweeper.trial import canonical

if TYPE_CHECKING:
    from sweeper.spec.claims.keys import ClaimKeys
    from sweeper.spec.claims.kinds import ClaimGoalKeys


def claim(keys: ClaimKeys) -> Claim:
    """The record of a validated claim."""
    where = condition(keys.where) if keys.where is not None else None
    return Claim(
        name=keys.name,
        metric=keys.metric or ", ".join(_metrics(keys)),
        over=keys.over,
        where=where,
        alpha=keys.alpha,
        test=_test(keys),
        family=keys.family,
        keys=_canonical(keys.model_dump(mode="json", exclude_unset=True, exclude={"registered"})),
        needs_registration=keys.registered == "required",
        method=keys.test,
        range=(keys.range[0], keys.range[1]) if keys.range else None,
        success=Success(keys.metric or "", *_ends((keys.success.above, keys.success.below))) if keys.success else None,
    )


def claim_of(written: Mapping[str, Any]) -> Claim | None:
    """The record of a claim by the keys that a ledger holds; None where they are no claim of this version."""
    from pydantic import ValidationError

    from sweeper.spec.claims.keys import ClaimKeys

    try:
        return claim(ClaimKeys.model_validate(written))
    except ValidationError:
        return None


def _canonical(tree: Any) -> Any:
    """1, 1.0 and 1e0 are one value in a claim as they are in a trial."""
    return {key: _canonical(value) for key, value in tree.items()} if isinstance(tree, dict) else canonical(tree)


def _metrics(keys: ClaimKeys) -> list[str]:
    """Those of the kinds that name more than one."""
    if keys.correlate:
        return [keys.correlate.x, keys.correlate.y]
    return [goal.name for goal in keys.goals or ()]


def _goal(keys: ClaimGoalKeys) -> ClaimGoal:
    ends = (keys.range[0], keys.range[1]) if keys.range else None
    return ClaimGoal(keys.name, keys.goal == "maximize", keys.margin, ends)


def _test(keys: ClaimKeys) -> Test:
    if keys.within:
        return Within(*_ends(keys.within))
    if keys.typical:
        return Typical(*_ends(keys.typical))
    if keys.mean:
        return Mean(keys.mean.at_least, keys.mean.at_most)
    if keys.best:
        return Best(keys.best.at_least, keys.best.at_most)
    if keys.share:
        return Share(*_ends((keys.share.above, keys.share.below)), keys.share.at_least, keys.share.at_most)
    if keys.equivalent:
        return Equivalent(keys.equivalent.to, keys.equivalent.margin)
    if keys.monotone:
        [(parameter, direction)] = keys.monotone.items()
        return Monotone(parameter, direction == "increasing")
    if keys.against:
        return Against(Path(keys.against.table), keys.against.tolerance)
    if keys.correlate:
        asked = keys.correlate
        return Correlate(asked.x, asked.y, asked.at_least, asked.at_most, asked.coefficient == "spearman")
    pairs = keys.compare or keys.dominates or keys.interaction
    assert pairs is not None
    first, second = ({name: canonical(pair[side]) for name, pair in pairs.items()} for side in (0, 1))
    if keys.dominates:
        return Dominates(first, second, tuple(_goal(one) for one in keys.goals or ()))
    kind = Compare if keys.compare else Interaction
    return kind(first, second, keys.effect or "greater", keys.min_gain or 0.0, keys.margin or 0.0)


def _ends(pair: Sequence[float | None]) -> tuple[float, float]:
    low, high = pair
    return -math.inf if low is None else low, math.inf if high is None else high
