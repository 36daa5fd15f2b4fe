"""Levels for repeated looks at a claim: what an alpha-spending function leaves for each (Lan and DeMets 1983).

The joint distribution of the looks is that of a Brownian motion, integrated look by look (Armitage, McPherson and
Rowe 1969). Fractions are those of the most information: seeds so far over most seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

_POINTS = 1_001  # of the grid between -8 standard deviations and the bound: Simpson's rule, error below 1e-6
FARTHEST = 8.0  # standard deviations: a bound there is never crossed


def spent(fraction: float, alpha: float, spending: str = "obrien_fleming") -> float:
    """The one-sided level used up when this fraction of the information is there.

    `obrien_fleming` spends little on early looks, `pocock` about as much on each.

    >>> [round(spent(t, 0.05), 4) for t in (0.2, 0.5, 1.0)]
    [0.0, 0.0056, 0.05]
    >>> [round(spent(t, 0.05, "pocock"), 4) for t in (0.2, 0.5, 1.0)]
    [0.0148, 0.031, 0.05]
    """
    known = min(fraction, 1.0)
    if spending == "pocock":
        return alpha * math.log(1 + (math.e - 1) * known)
    return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(known)))


@lru_cache(maxsize=256)
def levels(fractions: tuple[float, ...], alpha: float, spending: str = "obrien_fleming") -> tuple[float, ...]:
    """The level of each look, at ascending fractions: together they pass falsely with `alpha`."""
    found: list[float] = []
    motion, used = _Motion(), 0.0
    for fraction in fractions:
        total = spent(fraction, alpha, spending)
        step, least = math.sqrt(fraction - motion.fraction), total - used
        if least < 1e-12:  # too early to spend anything: this look cannot pass a claim
            bound = FARTHEST * math.sqrt(fraction)
        else:
            bound = float(brentq(lambda end, s=step, p=least: motion.crossing(end, s) - p, -FARTHEST, FARTHEST + 1))
        found.append(float(ndtr(-bound / math.sqrt(fraction))))
        motion.go_on(fraction, bound)
        used = total
    return tuple(found)


@lru_cache(maxsize=256)
def passing_rate(looks: tuple[tuple[int, float], ...]) -> float:
    """How often a null claim passes at some of these looks, each the number of seeds (ascending) and its level.

    >>> round(passing_rate(((6, 0.05), (12, 0.05))), 3)
    0.08
    """
    motion, rate = _Motion(), 0.0
    for seeds, level in looks:
        fraction = seeds / looks[-1][0]
        bound = min(-float(ndtri(level)) if level > 0 else FARTHEST, FARTHEST) * math.sqrt(fraction)
        rate += motion.crossing(bound, math.sqrt(fraction - motion.fraction))
        motion.go_on(fraction, bound)
    return rate


def conditional_power(z: float, fraction: float, drift: float, level: float, until: float = 1.0) -> float:
    """The chance to pass a later look, at `level`, given z now, if the truth is `drift` (expected z at the end).

    `until` is the later look's fraction: by default the last one.
    """
    if fraction >= until:
        return float(z >= -ndtri(level))
    so_far, left = z * math.sqrt(fraction), until - fraction
    return float(ndtr((so_far + drift * left + ndtri(level) * math.sqrt(until)) / math.sqrt(left)))


@dataclass(slots=True)
class _Motion:
    """A Brownian motion at `fraction`: where no bound was crossed so far, its density times the weights of the grid."""

    fraction: float = 0.0
    grid: np.ndarray = field(default_factory=lambda: np.zeros(1))
    density: np.ndarray = field(default_factory=lambda: np.ones(1))

    def crossing(self, bound: float, step: float) -> float:
        """The chance to lie beyond a bound after a step of this standard deviation."""
        return float(self.density @ ndtr((self.grid - bound) / step))

    def go_on(self, fraction: float, bound: float) -> None:
        """The motion at a later fraction, where it lies below the bound."""
        step = math.sqrt(fraction - self.fraction)
        points = np.linspace(-FARTHEST * math.sqrt(fraction), bound, _POINTS)
        kernel = np.exp(-0.5 * ((points[:, None] - self.grid) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        self.fraction, self.grid, self.density = fraction, points, _simpson(points) * (kernel @ self.density)


def _simpson(points: np.ndarray) -> np.ndarray:
    weights = np.full(len(points), 2.0)
    weights[1::2], weights[[0, -1]] = 4.0, 1.0
    scaled: np.ndarray = weights * (points[1] - points[0]) / 3
    return scaled
