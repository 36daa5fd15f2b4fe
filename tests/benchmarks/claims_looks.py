"""How often null sweeps pass a paired claim that is judged at six looks: `python tests/benchmarks/claims_looks.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtr

from sweeper.analysis.claims.spending import levels

LOOKS, REPEATS, ALPHA = (6, 8, 10, 12, 16, 20), 100_000, 0.05
DATA: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "bimodal": lambda rng, shape: rng.choice([0.17, 1.0], shape) + rng.normal(0, 0.02, shape),
    "bounded (beta 8, 1)": lambda rng, shape: rng.beta(8, 1, shape),
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, shape),
}


def passing(gains: np.ndarray, limits: Sequence[float]) -> float:
    """The share of rows that pass at some look."""
    passed = np.zeros(len(gains), dtype=bool)
    for count, limit in zip(LOOKS, limits, strict=True):
        seen = gains[:, :count]
        t = seen.mean(axis=1) / (seen.std(axis=1, ddof=1) / np.sqrt(count))
        passed |= stdtr(count - 1, -t) <= limit
    return float(passed.mean())


def main() -> None:
    spending = levels(tuple(count / LOOKS[-1] for count in LOOKS), ALPHA)
    print("| looks at n = | " + " | ".join(map(str, LOOKS)) + " |\n|---|" + "---|" * len(LOOKS))
    print("| level | " + " | ".join(f"{level:.5f}" for level in spending) + " |\n")
    print("| differences of | at 5 % each time | at the levels above |\n|---|---|---|")
    for name, draw in DATA.items():
        rng = np.random.default_rng(17)
        shape = (REPEATS, LOOKS[-1])
        gains = draw(rng, shape) - draw(rng, shape)
        print(f"| {name} | {passing(gains, [ALPHA] * len(LOOKS)):.2%} | {passing(gains, spending):.2%} |")


if __name__ == "__main__":
    main()
