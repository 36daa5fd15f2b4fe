"""How often null sweeps pass or fail a claim that is judged at six looks: `python tests/benchmarks/claims_looks.py`.

First a paired claim in arrays, at 5 % each time and at the levels of a spending function. Then every kind of claim
through sweeper's own judges, from records of trials, as a run looks at them; the truth lies at the claim's bound.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from claims_simulation import mean_rank_correlation
from scipy.special import stdtr

from sweeper.analysis.claims.spending import levels
from sweeper.analysis.claims.verify import progress_at_looks
from sweeper.analysis.mean_tests import BoundedMean
from sweeper.spec.claims.convert import claim_of
from sweeper.spec.claims.records import Claim, Interaction
from sweeper.spec.sweep import LookPlan
from sweeper.trial import Ended, Params, Record, State, Trial, config_key, trial_key

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

LOOKS, REPEATS, ALPHA = (6, 8, 10, 12, 16, 20), 100_000, 0.05
DATA: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "bimodal": lambda rng, shape: rng.choice([0.17, 1.0], shape) - rng.uniform(0, 0.04, shape),
    "bounded (beta 8, 1)": lambda rng, shape: rng.beta(8, 1, shape),
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, shape),
}
MEANS = {"normal": 0.0, "bimodal": 0.565, "bounded (beta 8, 1)": 8 / 9, "heavy tails (t, 3 df)": 0.0}
RANGES = {"bimodal": (0.0, 1.0), "bounded (beta 8, 1)": (0.0, 1.0)}  # of the others nothing is known
PLAN = LookPlan(start=6, most=30, futility=0.0)  # no claim is given up: the most chances to pass or fail falsely
SWEEPS = 2_000

# Each kind with its number of configurations (x = 0, 1, ...), and a bound at the truth: the noise has mean 0.
KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "mean": (1, {"mean": {"at_least": 0}}),
    "mean, over trials": (3, {"over": "trials", "mean": {"at_least": 0}}),
    "within": (2, {"within": [0, 100]}),
    "equivalent": (3, {"equivalent": {"to": 1, "margin": 1}}),
    "compare, greater": (2, {"compare": {"x": [1, 0]}}),
    "compare, margin": (2, {"compare": {"x": [1, 0]}, "effect": "not_lower"}),
    "compare, min_gain": (2, {"compare": {"x": [1, 0]}}),
    "interaction": (4, {"interaction": {"p": [0, 1], "q": [0, 1]}}),
    "interaction, margin": (4, {"interaction": {"p": [0, 1], "q": [0, 1]}, "effect": "not_lower"}),
    "interaction, min_gain": (4, {"interaction": {"p": [0, 1], "q": [0, 1]}}),
    "dominates": (2, {"dominates": {"x": [1, 0]}}),
    "dominates, margin": (2, {"dominates": {"x": [1, 0]}}),
    "correlate": (6, {"correlate": {"x": "m", "y": "other"}}),
    "monotone": (4, {"monotone": {"x": "increasing"}}),
    "typical": (4, {"typical": [0, 100]}),
    "best": (3, {"best": {"at_least": 0}}),
    "share": (4, {"share": {"above": 0, "at_least": 0.5}}),
    "share, over trials": (1, {"over": "trials", "share": {"above": 0, "at_least": 0.5}}),
    "against": (2, {"against": {"table": "reference.csv", "tolerance": 1}}),
}


def passing(gains: np.ndarray, limits: Sequence[float]) -> float:
    """The share of rows that pass at some look."""
    passed = np.zeros(len(gains), dtype=bool)
    for count, limit in zip(LOOKS, limits, strict=True):
        seen = gains[:, :count]
        t = seen.mean(axis=1) / (seen.std(axis=1, ddof=1) / np.sqrt(count))
        passed |= stdtr(count - 1, -t) <= limit
    return float(passed.mean())


@cache
def _trial(x: int, seed: int, square: bool) -> Trial:
    params: Params = {"p": x // 2, "q": x % 2} if square else {"x": x}
    config = config_key("imaginary", params)
    return Trial(trial_key(config, seed, "c0de"), config, seed, params, {}, "imaginary", "c0de")


def _records(values: np.ndarray, square: bool) -> Iterator[Record]:
    """A record for each configuration (row) and seed (column), of one metric or (first axis) of two."""
    table = values if values.ndim == 3 else values[None]
    for x, seed in np.ndindex(table.shape[1:]):
        trial = _trial(x, seed, square)
        metrics = dict(zip(("m", "other"), table[:, x, seed].tolist(), strict=False))
        end = Ended(trial.key, 1, 0.0, State.COMPLETED, "", metrics, 1, 1.0, 0.0, "cpu", "here")
        yield Record(trial, 1, ended=end)


def outcomes(claim: Claim, sweeps: Iterable[np.ndarray], folder: Path) -> Counter[str]:
    """How the claim ends in each of these sweeps: a row of values for each configuration, a column for each seed."""
    found: Counter[str] = Counter()
    for values in sweeps:
        [one] = progress_at_looks([claim], [*_records(values, isinstance(claim.test, Interaction))], folder, PLAN, [])
        found[one.looks[-1].outcome if one.looks else "counted"] += 1
    return found


def _null_of_two(kind: str, data: str) -> tuple[Claim, Callable[[np.random.Generator], np.ndarray]]:
    """The same for claims about two metrics, m and other.

    dominates: the settings do not differ in m; with a margin m gains much, and other loses just that much on average
    against settings without spread. correlate: the metrics have a part in common.
    """
    configs, keys = KINDS[kind]
    low, high = RANGES.get(data, (MEANS[data] - 1, MEANS[data] + 1))
    known = {"range": [low, high]} if data in RANGES else {}
    margin = high - MEANS[data] if kind.endswith("margin") else (high - low) / 2
    goals = [{"name": "m", "goal": "maximize"}, {"name": "other", "goal": "maximize", "margin": margin, **known}]
    if kind == "correlate":
        x, y = _correlated(data, np.random.default_rng(19), configs, 40_000)
        truth = mean_rank_correlation(x.T, y.T)
        keys = {"correlate": {"x": "m", "y": "other", "at_least": truth}}
    else:
        keys = keys | {"goals": goals}
    claim = claim_of({"name": kind, **keys})
    assert claim is not None

    def draw(rng: np.random.Generator) -> np.ndarray:
        if kind == "correlate":
            return _correlated(data, rng, configs, PLAN.most)
        values = np.array([DATA[data](rng, (configs, PLAN.most)) for _ in range(2)])
        if kind.endswith("margin"):
            values[0, 1] += 20
            values[1, 0] = high
        return values

    return claim, draw


def _correlated(data: str, rng: np.random.Generator, configs: int, seeds: int) -> np.ndarray:
    x, y, common = (DATA[data](rng, (configs, seeds)) for _ in range(3))
    return np.array([x + common, y + common])


def _null(kind: str, data: str, centre: float) -> tuple[Claim, Callable[[np.random.Generator], np.ndarray]]:
    """A claim of which the truth lies at the bound, and what draws a sweep of it.

    With a margin, all settings but the last one are at the upper end of the range and have no spread: it costs just
    that much on average. With min_gain they are at the lower end.
    """
    configs, keys = KINDS[kind]
    low, high = (end - centre for end in RANGES.get(data, (centre - 1, centre + 1)))
    key = kind.partition(", ")[2]
    end = {"margin": high, "min_gain": low}.get(key)
    keys = keys | ({"range": [low, high]} if data in RANGES else {}) | ({key: abs(end)} if end is not None else {})
    claim = claim_of({"name": kind, "metric": "m", **keys})
    assert claim is not None

    def draw(rng: np.random.Generator) -> np.ndarray:
        values = DATA[data](rng, (configs, PLAN.most)) - centre
        if end is not None:
            values[:-1] = end
        return values

    return claim, draw


def _print_kinds(only: Sequence[str]) -> None:
    # Both take longer than all else, and decide nothing.
    BoundedMean.enough = lambda *asked: None  # type: ignore[method-assign]
    BoundedMean.interval = lambda test, *asked: (test.low, test.high)  # type: ignore[method-assign]
    print("| kind | data | false passes | false fails |\n|---|---|---|---|")
    with TemporaryDirectory() as name:
        (Path(name) / "reference.csv").write_text("x,m.mean\n0,-1\n1,-1\n")  # the truth is 1 above: at the tolerance
        for kind in only or KINDS:
            for data, noise in DATA.items():
                rng = np.random.default_rng(17)
                centre = np.median(noise(rng, (1, 200_000))) if kind == "share, over trials" else MEANS[data]
                of_two = kind.startswith(("dominates", "correlate"))
                claim, draw = _null_of_two(kind, data) if of_two else _null(kind, data, centre)
                found = outcomes(claim, (draw(rng) for _ in range(SWEEPS)), Path(name))
                print(f"| {kind} | {data} | {found['pass'] / SWEEPS:.1%} | {found['fail'] / SWEEPS:.1%} |", flush=True)


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
    print()
    _print_kinds(sys.argv[1:])


if __name__ == "__main__":
    main()
