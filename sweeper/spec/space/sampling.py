"""Sobol points with a random digital shift: well spread for any number of points, and the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

_BITS = 30
_AT_ONCE = 256  # a power of two: scipy warns of the balance of others


def shifted_points(names: Sequence[str], seed: int) -> Iterator[tuple[float, ...]]:
    """Points of the unit cube without end, one coordinate a name.

    The shift of a coordinate is drawn from (seed, name) and its digits from its position, so that a parameter added at
    the end, or more points, change nothing that was drawn before.
    """
    if not names:
        yield ()
        return
    from scipy.stats import qmc  # type: ignore[import-untyped, unused-ignore]

    shifts = [_shift(seed, name) for name in names]
    sequence = qmc.Sobol(len(names), scramble=False, bits=_BITS)
    while True:
        for row in sequence.random(_AT_ONCE).tolist():
            yield tuple(
                (int(u * 2**_BITS) ^ shift) / 2**_BITS + 0.5 ** (_BITS + 1)
                for u, shift in zip(row, shifts, strict=True)
            )


def _shift(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"sobol\x1f{seed}\x1f{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - _BITS)


def uniform(seed: int, name: str, index: int) -> float:
    """A number in (0, 1) that depends on nothing but its arguments: 52 bits of BLAKE2."""
    digest = hashlib.blake2b(f"{seed}\x1f{name}\x1f{index}".encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52
