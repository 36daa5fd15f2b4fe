"""Levels for repeated looks at a claim: what an alpha-spending function leaves for each (Lan and DeMets 1983).

Nothing in sweeper uses them yet: `seeds: {until: decided}` will.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

_POINTS = 1_001  # of the grid between -8 standard deviations and the bound: Simpson's rule, error below 1e-6
FUTILE = 0.1  # conditional power below which a claim is given up


def spent(fraction: float, alpha: float) -> float:
    """The one-sided level used up when this fraction of the information is there, as O'Brien and Fleming's bounds do.

    >>> [round(spent(t, 0.05), 4) for t in (0.2, 0.5, 1.0)]
    [0.0, 0.0056, 0.05]
    """
    return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(min(fraction, 1.0))))


def levels(fractions: Sequence[float], alpha: float) -> list[float]:
    """The level of each look, at ascending fractions of the most information: together they pass falsely with `alpha`.

    The joint distribution of the looks is that of a Brownian motion, integrated look by look (Armitage, McPherson and
    Rowe 1969).
    """
    found: list[float] = []
    before, used = 0.0, 0.0
    grid, density = np.zeros(1), np.ones(1)  # weights times density of the motion, where no bound was crossed
    for fraction in fractions:
        step, least = math.sqrt(fraction - before), spent(fraction, alpha) - used
        if least < 1e-12:  # too early to spend anything: this look cannot pass a claim
            bound = 8 * math.sqrt(fraction)
        else:
            bound = float(brentq(_crossing, -8.0, 9.0, args=(grid, density, step, least)))
        found.append(float(ndtr(-bound / math.sqrt(fraction))))
        points = np.linspace(-8 * math.sqrt(fraction), bound, _POINTS)
        kernel = np.exp(-0.5 * ((points[:, None] - grid) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        grid, density = points, _simpson(points) * (kernel @ density)
        before, used = fraction, spent(fraction, alpha)
    return found


def conditional_power(z: float, fraction: float, drift: float, alpha: float) -> float:
    """The chance to pass at the last look, given z now, if the truth is `drift` (expected z with all information)."""
    if fraction >= 1:
        return float(z >= -ndtri(alpha))
    so_far, left = z * math.sqrt(fraction), 1 - fraction
    return float(ndtr((so_far + drift * left + ndtri(alpha)) / math.sqrt(left)))


def _crossing(bound: float, grid: np.ndarray, density: np.ndarray, step: float, wanted: float) -> float:
    """The chance to cross the bound within this step, less the one that is wanted."""
    return float(density @ ndtr((grid - bound) / step)) - wanted


def _simpson(points: np.ndarray) -> np.ndarray:
    weights = np.full(len(points), 2.0)
    weights[1::2], weights[[0, -1]] = 4.0, 1.0
    scaled: np.ndarray = weights * (points[1] - points[0]) / 3
    return scaled
