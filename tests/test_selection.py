"""What alignment one gets who selects a configuration without labels: the table of results/README.md."""

from __future__ import annotations

from tests.published import PUBLISHED, trials

RULES = {
    "highest ELBO": lambda means: means["elbo"],
    "highest J": lambda means: means["diagnostics/inter_latent_jsd/weighted_mean"],
    "highest J, accuracy >= 0.985": lambda means: means["diagnostics/inter_latent_jsd/weighted_mean"].where(
        means["task_accuracy"] >= 0.985
    ),
    "highest accuracy": lambda means: means["task_accuracy"].round(6),
    "highest alignment (labels)": lambda means: means["alignment"],
}


def selected(name: str, rule: str) -> str:
    """The mean alignment of the configuration that a rule selects; of all those that tie for it."""
    table = trials(name)
    means = table.groupby("config").mean(numeric_only=True)
    value = RULES[rule](means)
    return f"{means['alignment'][value == value.max()].mean():.3f}"


def test_the_alignment_that_each_selection_rule_gets_is_as_published() -> None:
    text = (PUBLISHED.parent / "README.md").read_text().split("<!-- selection -->")[1].split("<!-- end -->")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    names = [cell.strip("`") for cell in lines[0][1:]]
    assert {line[0] for line in lines[2:]} == {*RULES}
    for rule, *found in lines[2:]:
        assert found == [selected(name, rule) for name in names]
