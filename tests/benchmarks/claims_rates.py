"""False passes and fails of claims about success rates: `python tests/benchmarks/claims_rates.py [REPEATS]`.

Seeds share luck: a seed that fails in one configuration is likelier to fail in the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtr

from sweeper.analysis.mean_tests import bounded
from sweeper.analysis.rates import paired_rates, success_rate
from sweeper.analysis.statistics import means_by_seed, partial_conjunction

SIZES, RATES, LUCK, ALPHA, REPEATS = (3, 6, 10, 20, 30), (0.5, 0.8, 0.9, 0.95), (0.0, 0.6, 1.0), 0.05, 2_000
Draw = np.ndarray  # successes, 1 or 0, by configuration and seed


def draw(rng: np.random.Generator, rate: float, luck: float, configs: int, seeds: int) -> Draw:
    """Successes of this rate; `luck` is the correlation of the configurations' hidden normal scores."""
    shared, own = rng.normal(size=seeds), rng.normal(size=(configs, seeds))
    scores = np.sqrt(luck) * shared + np.sqrt(1 - luck) * own
    return (ndtr(scores) < rate).astype(float) if 0 < rate < 1 else np.full((configs, seeds), rate, dtype=float)


def each(values: Draw, rate: float) -> tuple[float, float]:
    """mean: one configuration whose rate is the one asked."""
    one = success_rate(values[0].tolist())
    return one.p_above(rate), one.p_below(rate, strict=True)


def best(values: Draw, rate: float) -> tuple[float, float]:
    """best: four configurations at the rate asked."""
    ones = [success_rate(row.tolist()) for row in values]
    return partial_conjunction([one.p_above(rate) for one in ones], 1), max(one.p_below(rate) for one in ones)


def compare(values: Draw, rate: float) -> tuple[float, float]:
    """compare: two settings of the same rate, the seeds shared."""
    one = paired_rates((values[0] - values[1]).tolist())
    return one.p_above(0, strict=True), one.p_below(0)


def compare_of_two(values: Draw, rate: float) -> tuple[float, float]:
    """The same with a second choice of the other settings."""
    one = paired_rates(means_by_seed([dict(enumerate(values[i] - values[i + 1])) for i in (0, 2)]))
    return one.p_above(0, strict=True), one.p_below(0)


def share(values: Draw, rate: float) -> tuple[float, float]:
    """share over trials: the rate of all trials of four configurations."""
    one = bounded(0, 1)(means_by_seed([dict(enumerate(row)) for row in values]))
    return one.p_above(rate), one.p_below(rate, strict=True)


def share_of_independent_trials(values: Draw, rate: float) -> tuple[float, float]:
    """The same, had trials of one seed been taken for independent (as they were)."""
    one = success_rate(values.ravel().tolist())
    return one.p_above(rate), one.p_below(rate, strict=True)


KINDS: dict[str, Callable[[Draw, float], tuple[float, float]]] = {
    "mean": each, "best": best, "compare": compare, "compare, two choices of the rest": compare_of_two,
    "share over trials": share, "share, had trials been independent": share_of_independent_trials,
}  # fmt: skip
_LUCK = {"mean": LUCK[:1], "compare, two choices of the rest": LUCK[1:2]}  # by kind: what does not matter is left out


def rates(kind: str, rate: float, luck: float, seeds: int, repeats: int) -> tuple[float, float]:
    """How often the claim passes, and fails, at the edge of being true."""
    rng = np.random.default_rng([22, seeds, round(100 * rate), round(10 * luck)])
    found = [KINDS[kind](draw(rng, rate, luck, 4, seeds), rate) for _ in range(repeats)]
    passed, failed = (np.array(found) <= ALPHA + 1e-9).mean(axis=0)
    return float(passed), float(failed)


def tables(repeats: int) -> Iterator[str]:
    for kind in KINDS:
        yield f"\n| {kind}: false passes / false fails | " + " | ".join(f"n = {n}" for n in SIZES) + " |"
        yield "|---|" + "---|" * len(SIZES)
        for rate in RATES:
            for luck in _LUCK.get(kind, LUCK):
                cells = (rates(kind, rate, luck, n, repeats) for n in SIZES)
                row = " | ".join(f"{passed:.1%} / {failed:.1%}" for passed, failed in cells)
                yield f"| rate {rate:g}" + (f", luck {luck:g}" if kind != "mean" else "") + f" | {row} |"


if __name__ == "__main__":
    for line in tables(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS):
        print(line, flush=True)
