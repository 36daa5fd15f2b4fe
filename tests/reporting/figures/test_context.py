from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.analysis.sweep_results import SweepResults, unit_of
from sweeper.errors import UsageError
from sweeper.reporting.figures.context import FigureContext, NotApplicable
from sweeper.trial import State
from tests.reporting.figures.sweeps import grid, write


def test_levels_are_in_order_and_know_their_places(tmp_path: Path) -> None:
    axis = grid(tmp_path).axis("beta")
    assert axis.levels == [0, 0.5, 1]
    assert set(axis.positions()) == {0, 1, 2}


def test_a_combination_is_an_axis_that_reads_its_parameters(tmp_path: Path) -> None:
    axis = grid(tmp_path).axis("2 * beta + rate")
    assert axis.levels == [1, 2, 3]
    assert axis.reads == ("beta", "rate")


def test_sums_that_differ_in_the_last_bit_are_one_level(tmp_path: Path) -> None:
    assert len(grid(tmp_path).axis("beta * 0.6 / 0.2 * 0.1").levels or ()) == 3


@pytest.mark.parametrize(("text", "words"), [("bta", "did you mean beta"), ("beta +", "expression ends")])
def test_an_axis_that_is_no_parameter_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        grid(tmp_path).axis(text)


def test_axes_are_filled_up_with_what_varies(tmp_path: Path) -> None:
    context = grid(tmp_path)
    assert [axis.name for axis in context.axes(2)] == ["beta", "kind"]
    assert [axis.name for axis in replace(context, y="beta").axes(2)] == ["kind", "beta"]
    with pytest.raises(NotApplicable, match="needs 3 parameters"):
        context.axes(3)


def test_a_scale_is_logarithmic_where_the_space_is(tmp_path: Path) -> None:
    context = grid(tmp_path)
    assert context.axis("rate").log
    assert not context.axis("beta").log


def test_what_failed_is_counted_and_named(tmp_path: Path) -> None:
    context = grid(tmp_path, lost=[(0, 0, State.FAILED), (0, 1, State.DIVERGED), (1, 0, State.DIVERGED)])
    assert context.counts() == "15 of 18 trials completed, 6 configurations; not in any mean: 2 diverged, 1 failed"


def test_configurations_are_ranked_by_the_metric_or_else_by_the_first_goal(tmp_path: Path) -> None:
    context = grid(tmp_path)
    best, by = context.ranked("score")
    assert (context.config_label(best[0]), by) == ("beta=1  kind=b", "by score")
    assert context.config_label(context.ranked("cost")[0][0]).startswith("beta=0 ")
    assert context.ranked("elsewhere")[1] == "by score"


def test_an_unknown_metric_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean score"):
        replace(grid(tmp_path), metrics=(("scor", None),)).check_metrics()


@pytest.mark.parametrize(
    ("description", "unit"),
    [
        ("mean entropy of q(z|x,y), [0, ln K] nats", "nats"),
        ("exact -ln p(y|x), nats a sequence", "nats a sequence"),
        ("share correct, [0, 1]", ""),
        ("of the step just taken, before clipping", ""),
        ("", ""),
    ],
)
def test_a_unit_is_read_off_the_description(description: str, unit: str) -> None:
    assert unit_of(description) == unit


@pytest.mark.parametrize(
    ("rates", "labels"),
    [
        ([0.01300461, 0.5], ["rate=0.013", "rate=0.5"]),
        ([0.01300461, 0.01300472], ["rate=0.0130046", "rate=0.0130047"]),
    ],
)
def test_values_have_four_digits_where_these_tell_configurations_apart(
    rates: list[float], labels: list[str], tmp_path: Path
) -> None:
    sweep = write(tmp_path, [{"rate": rate} for rate in rates], lambda point, seed: {"score": 1.0}, seeds=1)
    context = FigureContext(SweepResults(sweep))
    assert [context.config_label(config) for config in context.trials.config] == labels
