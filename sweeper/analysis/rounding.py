"""Numbers as text: with as many digits as their uncertainty leaves meaningful, or else with four."""

from __future__ import annotations

import math

WIDE, SMALL = 7, -5  # from 10^7 on and below 10^-4, powers of ten are written


def plus_minus(mean: float, spread: float) -> str:
    """Two digits of the spread where it begins with 1 or 2, else one (the rule of physicists).

    >>> plus_minus(0.98437, 0.01234), plus_minus(0.2501, 0.071), plus_minus(12345678, 1234)
    ('0.984 ± 0.012', '0.25 ± 0.07', '(1.23457 ± 0.00012)e7')
    """
    if not math.isfinite(spread):
        return rounded(mean)
    if spread == 0:
        return f"{rounded(mean)} ± 0"
    power = _power(mean, spread)
    scaled, width = mean / 10**power, spread / 10**power
    places = _places(width)
    text = f"{_fixed(scaled, places)} ± {_fixed(width, places)}"
    return text if power == 0 else f"({text})e{power}"


def with_interval(mean: float, low: float, high: float) -> str:
    """A mean and its interval, digits by half the interval's width.

    >>> with_interval(0.98437, 0.972, 0.9963)
    '0.984 [0.972, 0.996]'
    """
    if not math.isfinite(high - low):
        return rounded(mean)
    half = (high - low) / 2
    if half == 0:
        return f"{rounded(mean)} [{rounded(low)}, {rounded(high)}]"
    power = _power(mean, half)
    places = _places(half / 10**power)
    texts = [_fixed(value / 10**power, places) for value in (mean, low, high)]
    text = f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return text if power == 0 else f"({text})e{power}"


def rounded(value: float | None) -> str:
    """A number without a known uncertainty: four significant digits; "" for None.

    >>> rounded(0.123456), rounded(-0.0)
    ('0.1235', '0')
    """
    return "" if value is None else f"{value or 0.0:.4g}"


def _power(mean: float, spread: float) -> int:
    power = math.floor(math.log10(max(abs(mean), spread)))
    return power if power >= WIDE or power < SMALL else 0


def _places(spread: float) -> int:
    """Decimal places for a spread; none for tens and beyond (never fewer digits than are true before the point)."""
    first = math.floor(math.log10(spread))
    digits = 2 if float(f"{spread:.1e}") / 10**first < 2.95 else 1
    return max(0, digits - 1 - first)


def _fixed(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text
