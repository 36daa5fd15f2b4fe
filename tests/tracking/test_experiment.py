"""Which metrics MLflow shows, and what it gets of a sweep."""

from __future__ import annotations

from sweeper.tracking.experiment import MOST_HEADLINES, MOST_METRICS, Experiment, MetricChoice

INPUT = Experiment(
    "grid", "beta against JSD", "sweeper run grid.yaml", {}, {"alignment": True}, ("loss", "jsd/T", "kl")
)


def test_the_note_is_the_description_and_the_command() -> None:
    assert INPUT.note() == "beta against JSD\n\n```\nsweeper run grid.yaml\n```"
    assert Experiment("grid", "").note() == ""
    assert Experiment("grid", "one line").note("#/x") == "one line · [trials, the best first](#/x)"
    assert Experiment("grid", "two\nlines").note("#/x") == "[trials, the best first](#/x)\n\ntwo\nlines"


def test_goals_are_written_first() -> None:
    choice = MetricChoice.of(Experiment("grid", "", goals={"alignment": True}, declared=["nll"]))
    assert [name for name, _ in choice.in_order({"z": 1, "nll": 1, "a": 1, "alignment": 1})] == [
        "alignment",
        "nll",
        "z",
        "a",
    ]


def test_goals_come_first_then_what_is_declared_then_the_rest_without_families() -> None:
    assert INPUT.headlines(["other", "jsd/0", "jsd/1", "kl", "loss", "alignment"]) == [
        "alignment",
        "loss",
        "kl",
        "other",
    ]


def test_headlines_are_few() -> None:
    assert len(INPUT.headlines(f"m{i}" for i in range(100))) == MOST_HEADLINES


def test_metrics_declared_as_a_family_stay_in_the_ledger() -> None:
    choice = MetricChoice.of(INPUT)
    assert not choice.admits("jsd/7")
    assert choice.admits("jsd")


def test_there_is_always_space_for_a_goal_that_comes_last() -> None:
    choice = MetricChoice.of(INPUT)
    admitted = [name for name in [*(f"m{i}" for i in range(100)), "alignment", "loss", "kl"] if choice.admits(name)]
    assert len(admitted) == MOST_METRICS
    assert admitted[-3:] == ["alignment", "loss", "kl"]
    assert choice.admits("m0")
    assert not choice.admits("m99")
