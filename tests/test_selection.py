"""What alignment one gets who selects a configuration without labels: the table of results/README.md."""

from __future__ import annotations

import math

import pandas as pd

from tests.published import PUBLISHED, trials

FORKS = {"jsd": {0: 3, 2: 2}, "jsd_detour_marker": {0: 6}, "style": {2: 3, 4: 2}}
"""Target position -> how many ways go on there, equally likely, whatever came before: look-ahead weights are their
logarithms, and 0 elsewhere. On ordered_sum it depends on the visits so far, and position means do not tell J."""


def divergence(name: str, means: pd.DataFrame) -> pd.Series:
    return means["diagnostics/inter_latent_jsd/weighted_mean"]


def lookahead(name: str, means: pd.DataFrame) -> pd.Series:
    """J under exact look-ahead weights, of the mean JSD by position."""
    weights = {t: math.log(ways) for t, ways in FORKS.get(name, {}).items()}
    weighted = [weight * means[f"diagnostics/inter_latent_jsd/position/{t}"] for t, weight in weights.items()]
    return sum(weighted, 0 * means["elbo"]) / sum(weights.values()) if weights else means["elbo"] * math.nan


def right(means: pd.DataFrame) -> pd.Series:
    return means["task_accuracy"] >= 0.985


RULES = {
    "highest ELBO": lambda name, means: means["elbo"],
    "highest J": divergence,
    "highest J, accuracy >= 0.985": lambda name, means: divergence(name, means).where(right(means)),
    "highest look-ahead J": lookahead,
    "highest look-ahead J, accuracy >= 0.985": lambda name, means: lookahead(name, means).where(right(means)),
    "highest accuracy": lambda name, means: means["task_accuracy"].round(6),
    "highest alignment (labels)": lambda name, means: means["alignment"],
}


def selected(name: str, rule: str) -> str:
    """The mean alignment of the configuration that a rule selects; of all those that tie for it."""
    table = trials(name)
    means = table.groupby("config").mean(numeric_only=True)
    value = RULES[rule](name, means)
    if value.isna().all():
        return "-"
    return f"{means['alignment'][value == value.max()].mean():.3f}"


def test_the_alignment_that_each_selection_rule_gets_is_as_published() -> None:
    text = (PUBLISHED.parent / "README.md").read_text().split("<!-- selection -->")[1].split("<!-- end -->")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    names = [cell.strip("`") for cell in lines[0][1:]]
    assert {line[0] for line in lines[2:]} == {*RULES}
    for rule, *found in lines[2:]:
        assert found == [selected(name, rule) for name in names]
