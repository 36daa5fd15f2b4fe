"""Tests of a mean for the published numbers, by scipy alone: nothing of sweeper is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats


class MeanTest(NamedTuple):
    """p for a mean above and below a bound, and the interval of level 1 - 2 alpha."""

    mean: float
    above: Callable[[float], float]
    below: Callable[[float], float]
    interval: Callable[[float], tuple[float, float]]


def t_test(values: pd.Series) -> MeanTest:
    """Student's, by scipy; without spread a mean is what it is."""
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return MeanTest(mean, lambda m: float(mean < m), lambda m: float(mean > m), lambda _: (mean, mean))

    def p(bound: float, side: Literal["greater", "less"]) -> float:
        return float(stats.ttest_1samp(values, bound, alternative=side).pvalue)

    def interval(alpha: float) -> tuple[float, float]:
        low, high = stats.ttest_1samp(values, 0).confidence_interval(1 - 2 * alpha)
        return float(low), float(high)

    return MeanTest(mean, lambda m: p(m, "greater"), lambda m: p(m, "less"), interval)


SHARES = np.array([*np.geomspace(1e-3, 0.5, 14), *(1 - np.geomspace(0.4, 2e-3, 8))])[:, None]  # of the stake


def bet(values: np.ndarray, bound: float) -> float:
    """1 / wealth of a bet that the mean of values in [0, 1] exceeds the bound: half of it all in, half spread."""
    growth = values / bound
    with np.errstate(over="ignore"):  # of many values, at a bound near 0: without end
        spread = np.prod(1 - SHARES + SHARES * growth, axis=1).mean()
        return float(min(1.0, 1 / max((np.prod(growth) + spread) / 2, 1e-300)))


def exact_test(values: pd.Series, low: float = 0.0, high: float = 1.0) -> MeanTest:
    """By betting (Waudby-Smith and Ramdas 2023), for values that lie in [low, high]."""
    width = high - low
    up = np.clip((values.to_numpy() - low) / width, 0, 1)

    def end(of: np.ndarray, alpha: float) -> float:
        if bet(of, 1e-9) > alpha:
            return 0.0
        return float(optimize.brentq(lambda m: bet(of, m) - alpha, 1e-9, max(of.mean(), 2e-9), xtol=1e-10))

    def above(bound: float) -> float:
        return bet(up, (bound - low) / width) if bound > low else 0.0

    def below(bound: float) -> float:
        return bet(1 - up, (high - bound) / width) if bound < high else 0.0

    def interval(alpha: float) -> tuple[float, float]:
        return low + width * end(up, alpha), high - width * end(1 - up, alpha)

    return MeanTest(float(values.mean()), above, below, interval)


def binomial(values: pd.Series) -> MeanTest:
    """Exact, of values that are 0 or 1."""
    count, total = int(values.sum()), len(values)

    def p(bound: float, side: Literal["greater", "less"]) -> float:
        return float(stats.binomtest(count, total, bound, side).pvalue)

    def interval(alpha: float) -> tuple[float, float]:
        ends = stats.binomtest(count, total).proportion_ci(1 - 2 * alpha)
        return float(ends.low), float(ends.high)

    return MeanTest(count / total, lambda m: p(m, "greater"), lambda m: p(m, "less"), interval)
