"""How often claims pass and fail falsely: `python tests/benchmarks/claims_simulation.py [REPEATS [KIND ...]]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sweeper.analysis.claims.contrasts import dominance
from sweeper.analysis.claims.correlations import correlations
from sweeper.analysis.claims.methods import gain_sampler_of
from sweeper.analysis.mean_tests import MeanTest, bounded, sign_flip
from sweeper.analysis.statistics import Values, estimate, means_by_seed, partial_conjunction
from sweeper.spec.claims.convert import claim_of
from sweeper.spec.claims.records import Correlate

SIZES, ALPHA, REPEATS = (3, 5, 6, 10, 20, 30), 0.05, 2_000
PUBLISHED = Path(__file__).parents[2] / "results" / "published"
Sampler = Callable[[Values], MeanTest]
Sample = tuple[np.ndarray, float]  # values and the true mean that they come from


@dataclass(frozen=True)
class Family:
    """Data of one kind; `range` is None where the metric has none, and then its means are tested by t."""

    name: str
    draw: Callable[[np.random.Generator, int], Sample]
    range: tuple[float, float] | None = None

    @property
    def sampler(self) -> Sampler:
        return bounded(*self.range) if self.range else estimate

    @property
    def ends(self) -> tuple[float, float]:
        """What a setting without spread gives: one that never finds anything, and one that always does."""
        return self.range or (-1.0, 1.0)

    def gains(self, **claimed: Any) -> Sampler:
        """The test of the gains of a `compare`."""
        known = {"range": [*self.range]} if self.range else {}
        claim = claim_of({"name": "gain", "metric": "m", "compare": {"x": [1, 0]}, **claimed, **known})
        assert claim is not None
        return gain_sampler_of(claim)


def published(metric: str) -> Callable[[np.random.Generator, int], Sample]:
    """Seeds drawn again, with replacement, from those of a published configuration that do not all agree."""
    table = pd.concat([pd.read_csv(file) for file in sorted(PUBLISHED.glob("*jsd*/trials.csv"))])
    settings = [name for name in table if str(name).startswith("loss.")]
    groups = [group.to_numpy() for _, group in table.groupby(settings, dropna=False)[metric] if group.std() > 1e-3]

    def draw(rng: np.random.Generator, count: int) -> Sample:
        group = groups[rng.integers(len(groups))]
        return np.clip(rng.choice(group, count), 0, 1), float(np.clip(group, 0, 1).mean())

    return draw


def families() -> list[Family]:
    unit = (0.0, 1.0)
    return [
        Family("normal", lambda rng, n: (rng.normal(size=n), 0.0)),
        Family("heavy tails (t, 3 df)", lambda rng, n: (rng.standard_t(3, n), 0.0)),
        Family("bimodal (0.17 or 0.97)", lambda rng, n: (rng.choice([0.17, 0.97], n), 0.57), unit),
        Family("bounded (beta 8, 1)", lambda rng, n: (rng.beta(8, 1, n), 8 / 9), unit),
        Family("tied (quarters)", lambda rng, n: (rng.choice([0.25, 0.5, 0.75, 1.0], n), 0.625), unit),
        Family("published alignment", published("alignment"), unit),
        Family("published accuracy", published("task_accuracy"), unit),
    ]


def one_mean(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """within, mean, against: one configuration whose mean is the bound."""
    values, mean = family.draw(rng, n)
    test = sampler(values.tolist())
    return test.p_above(mean, strict=True), test.p_below(mean, strict=True)


def _edge(family: Family, rng: np.random.Generator, n: int, count: int, sampler: Sampler) -> list[float]:
    return [one_mean(family, rng, n, sampler)[0] for _ in range(count)]


def best(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Ten configurations, each with a mean at the bound."""
    return partial_conjunction(_edge(family, rng, n, 10, sampler), 1), 1.0


def share(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Five of ten must be inside; four surely are, six lie on the bound."""
    return partial_conjunction([*[0.0] * 4, *_edge(family, rng, n, 6, sampler)], 5), 1.0


def typical(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Eight of ten must be inside; seven surely are, three lie on the bound."""
    return partial_conjunction([*[0.0] * 7, *_edge(family, rng, n, 3, sampler)], 8), 1.0


def equivalent(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """The mean of four configurations lies at the upper end of the margin; a seed moves all four."""
    values, mean = family.draw(rng, n)
    others = [family.draw(rng, n) for _ in range(3)]
    means = [mean, *(0.8 * other + 0.2 * mean for _, other in others)]
    shared = [values, *(0.8 * other + 0.2 * values for other, _ in others)]
    one = sampler(means_by_seed([dict(enumerate(group)) for group in shared]))
    return one.p_below(float(np.mean(means)), strict=True), one.p_above(float(np.mean(means)), strict=True)


def compare(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Two settings that do not differ."""
    first = family.draw(rng, n)[0]
    if family.name.startswith("published"):
        second = rng.permutation(first) if rng.integers(2) else rng.choice(first, n)  # of the same configuration
    else:
        second = family.draw(rng, n)[0]
    sign = rng.choice([-1, 1], n)
    one = estimate(sign * (first - second))
    return one.p_above(0, strict=True), one.p_below(0, strict=True)


def cost(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """compare, not_lower: the second setting has no spread, the first loses just the margin on average."""
    values, mean = family.draw(rng, n)
    margin = family.ends[1] - mean
    one = family.gains(effect="not_lower", margin=margin)((values - family.ends[1]).tolist())
    return one.p_above(-margin), one.p_below(-margin, strict=True)


def gain(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """compare with min_gain: the first setting gains just so much on average; the second works in a fifth of seeds."""
    both, mean = family.draw(rng, 2 * n)
    values, second = both[:n], np.where(rng.random(n) < 0.8, family.ends[0], both[n:])
    least = 0.8 * (mean - family.ends[0])
    one = family.gains(min_gain=least)((values - second).tolist())
    return one.p_above(least), one.p_below(least, strict=True)


def dominates_none(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Two goals that two settings do not differ in; the second may lose a fifth of its range, or one."""
    margin, goals = (family.ends[1] - family.ends[0]) / 5, []
    for _ in range(2):
        sign = rng.choice([-1, 1], n)
        goals.append(sign * (family.draw(rng, n)[0] - family.draw(rng, n)[0]))
    return _dominance(family, goals, [0.0, margin])


def dominates_cost(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """One goal is far better, the other loses just its margin on average against a setting without spread."""
    values, mean = family.draw(rng, n)
    better = (family.ends[1] - family.ends[0]) * (0.5 + 0.1 * rng.random(n))
    return _dominance(family, [better, values - family.ends[1]], [0.0, family.ends[1] - mean])


def _dominance(family: Family, gains: Sequence[np.ndarray], margins: Sequence[float]) -> tuple[float, float]:
    losses, better = [], []
    for values, margin in zip(gains, margins, strict=True):
        one = family.gains(effect="not_lower", margin=margin)(values.tolist())
        losses.append((one.p_above(-margin), one.p_below(-margin, strict=True)))
        other = family.gains()(values.tolist())
        better.append((other.p_above(0, strict=True), other.p_below(0)))
    return dominance(losses, better)


def correlate(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Eight configurations, whose two metrics have a common part; the bound is the mean of many seeds' correlations."""
    return _correlate(family, rng, n, bounded(-1.0, 1.0))


def correlate_by_t(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """The same by a t test of the seeds' correlations."""
    return _correlate(family, rng, n, estimate)


def _correlate(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    x, y = _points(family, rng, n)
    points = {seed: [*zip(x[seed], y[seed], strict=True)] for seed in range(n)}
    one = sampler([*correlations(points, Correlate("x", "y", 0.0, None, ranks=True)).values()])
    if family.name not in _TRUE_CORRELATIONS:
        _TRUE_CORRELATIONS[family.name] = _true_correlation(family)
    bound = _TRUE_CORRELATIONS[family.name]
    return one.p_above(bound), one.p_below(bound, strict=True)


def _points(family: Family, rng: np.random.Generator, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    x, y, common = (np.array([family.draw(rng, 8)[0] for _ in range(seeds)]) for _ in range(3))
    return x + common, y + common


def _true_correlation(family: Family) -> float:
    return mean_rank_correlation(*_points(family, np.random.default_rng(19), 40_000))


def mean_rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """The mean over rows (seeds) of Spearman's correlation over columns (configurations); a flat row counts as 0."""
    x, y = (stats.rankdata(one, axis=1) - (one.shape[1] + 1) / 2 for one in (x, y))
    spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return float(np.divide((x * y).sum(axis=1), spread, out=np.zeros(len(x)), where=spread > 0).mean())


_TRUE_CORRELATIONS: dict[str, float] = {}


def monotone(family: Family, rng: np.random.Generator, n: int, sampler: Sampler) -> tuple[float, float]:
    """Three values of a parameter without effect."""
    draw = family.draw(rng, 3 * n)[0].reshape(n, 3)
    return float(stats.page_trend_test(draw).pvalue), float(stats.page_trend_test(draw[:, ::-1]).pvalue)


BY_T = {"correlate, had it `test: t`": correlate_by_t}
KINDS = {
    "within, mean, against": one_mean, "best": best, "share": share, "typical": typical, "equivalent": equivalent,
    "compare": compare, "compare, cost close to a ceiling": cost, "compare, min_gain": gain,
    "dominates, no difference": dominates_none, "dominates, one goal at its margin": dominates_cost,
    "correlate": correlate, "monotone": monotone,
}  # fmt: skip


def rates(kind: str, family: Family, n: int, repeats: int, sampler: Sampler | None = None) -> tuple[float, float]:
    """How often the claim passes, and fails, at the edge of being true."""
    rng = np.random.default_rng([17, n, len(family.name), len(kind)])
    found = [(KINDS | BY_T)[kind](family, rng, n, sampler or family.sampler) for _ in range(repeats)]
    passed, failed = (np.array(found) <= ALPHA + 1e-9).mean(axis=0)
    return float(passed), float(failed)


def power(family: Family, n: int, repeats: int, sampler: Sampler) -> float:
    """How often `mean: at_least` passes where the truth lies a standard deviation above its bound."""
    rng = np.random.default_rng([18, n])
    spread = family.draw(rng, 20_000)[0].std()
    found = [(sampler(values.tolist()), mean) for values, mean in (family.draw(rng, n) for _ in range(repeats))]
    return float(np.mean([test.p_above(mean - spread) <= ALPHA for test, mean in found]))


def _row(name: str, values: Sequence[float]) -> str:
    return f"| {name} | " + " | ".join(f"{value:.1%}" for value in values) + " |"


def tables(repeats: int, only: Sequence[str] = ()) -> Iterator[str]:
    head = "| {} | " + " | ".join(f"n = {n}" for n in SIZES) + " |\n|---|" + "---|" * len(SIZES)
    known = families()
    for kind in only or KINDS:
        found = {family.name: [rates(kind, family, n, repeats) for n in SIZES] for family in known}
        yield "\n" + head.format(f"{kind}: false passes")
        yield from (_row(name, [passed for passed, _ in cells]) for name, cells in found.items())
        if kind not in ("best", "share", "typical", "dominates, no difference"):
            yield "\n" + head.format(f"{kind}: false fails")
            yield from (_row(name, [failed for _, failed in cells]) for name, cells in found.items())
    if only:
        return
    yield from tables(repeats, [*BY_T])
    for name, sampler in (("t", estimate), ("signflip", sign_flip)):
        yield "\n" + head.format(f"within, mean, against, had they `test: {name}`: false passes")
        for family in known:
            yield _row(family.name, [rates("within, mean, against", family, n, repeats, sampler)[0] for n in SIZES])
    yield "\n" + head.format("power, the truth one standard deviation beyond its bound: kind's own test / t")
    for family in known[:5]:
        cells = [[power(family, n, repeats, one) for one in (family.sampler, estimate)] for n in SIZES]
        yield f"| {family.name} | " + " | ".join(f"{own:.0%} / {t:.0%}" for own, t in cells) + " |"


if __name__ == "__main__":
    for line in tables(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS, sys.argv[2:]):
        print(line, flush=True)
