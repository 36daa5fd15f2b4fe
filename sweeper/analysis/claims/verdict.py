"""What became of a claim, as records: the verdict people read, and the test result behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sweeper.analysis.rounding import rounded

Outcome = Literal["pass", "fail", "undecided"]
Status = Literal["registered", "exploratory", "amended", "unregistered"]


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One configuration (or one step of a parameter) of a claim: its mean or gain, interval, and how many values.

    `config` is the configuration's key, "" where the row is about two of them. None: too few values for an interval.
    """

    label: str
    config: str
    outcome: Outcome
    effect: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a claim held: pass, fail, or undecided (then about `needed` seeds per configuration decide
    it with 80 % power; None: unknown).

    `effect` is in the metric's unit and lies in [`ci_low`, `ci_high`] at the level `confidence`: 1 - 2 alpha, the
    interval whose ends the one-sided tests look at. `n` counts the trials, or the pairs, that the verdict rests on.
    `p` is the p value of what was found, after Holm within `family`; None where nothing was tested.
    `status` and `standing` record whether the claim was written before its results, `results_seen` how many there were
    when it was, `looks` how often the complete sweep has been judged since. A `replaced` one is of an older text.
    `level` is the one it was judged at, alpha but for planned looks, and `spent` how often all looks so far pass a null
    claim; None where nothing is tested. `test` is the one used: t, signflip, bootstrap, exact, or "".
    `power` is that of the test at the size that the claim names, with the spread and number found (power.py).
    """

    name: str
    kind: str
    outcome: Outcome
    metric: str
    sentence: str
    effect: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    needed: int | None
    rows: tuple[VerdictRow, ...] = ()
    confidence: float = 0.9
    p: float | None = None
    family: str = ""
    status: Status = "unregistered"
    standing: str = ""
    results_seen: int = 0
    looks: int = 0
    replaced: bool = False
    needs_registration: bool = False
    power: float | None = None
    level: float | None = None
    spent: float | None = None
    test: str = ""

    def lacks_registration(self, *, strict: bool) -> bool:
        """Whether the claim must be older than its results, by its file or `strict`, and is not."""
        return (strict or self.needs_registration) and self.status != "registered"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a test found: p values for the claim (`p_pass`) and against it (`p_fail`), before any Holm correction.

    `text` is what was found. `reservation` is a reason why it must not pass although p is small, "" if there is none.
    `method` names the test, `assumes` what that takes for granted.
    """

    text: str
    effect: float | None
    interval: tuple[float, float] | None
    n: int
    p_pass: float
    p_fail: float
    needed: int | None = None
    rows: tuple[VerdictRow, ...] = ()
    reservation: str = ""
    method: str = ""
    assumes: str = ""


def unjudged(text: str) -> TestResult:
    """There is nothing to judge by."""
    return TestResult(text, None, None, 0, 1.0, 1.0)


def finite(value: float | None) -> float | None:
    """The value, None where it is none or not finite: JSON has no word for that."""
    return value if value is not None and math.isfinite(value) else None


def bracket(interval: tuple[float, float]) -> str:
    """An interval for a sentence: `[0.1, 0.3]`; words where it is infinite."""
    low, high = interval
    return f"[{rounded(low)}, {rounded(high)}]" if math.isfinite(high - low) else "[no interval: one seed]"


def format_list(items: Sequence[str], limit: int = 3) -> str:
    """The first few, and how many more."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return "; ".join(items[:limit]) + more
