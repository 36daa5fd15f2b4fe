from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweeper.errors import UsageError
from sweeper.reporting.tables import markup
from sweeper.reporting.tables.pivot import Spread, as_frame, as_styled_table, pivot

VARIED = ["loss.a", "loss.b"]


def frame(**more: Any) -> pd.DataFrame:
    """Two by two configurations of three seeds; the score is 10 a + b + 0.1 seed, one trial failed."""
    rows = [(a, b, seed) for a in (2, 10) for b in (0, 1) for seed in range(3)]
    trials = pd.DataFrame(rows, columns=["loss.a", "loss.b", "seed"])
    trials["state"] = "completed"
    trials["score"] = 10 * trials["loss.a"] + trials["loss.b"] + 0.1 * trials.seed
    trials.loc[0, "state"] = "failed"
    return trials.assign(**more)


def test_a_row_and_a_column_for_every_value_the_best_of_a_row_in_bold() -> None:
    table = pivot(frame(), VARIED, ["loss.a", "loss.b", "score"], maximize=True, unit="nats")
    text = markup.markdown(as_styled_table(table, Spread.STD, "from here"))
    assert text.splitlines() == [
        "score [nats] ↑: mean ± standard deviation over n seeds as given; best of each row in bold",
        "",
        "| a | b = 0 | b = 1 |",
        "| ---: | ---: | ---: |",
        "| 2 | 20.15 ± 0.07 (n = 2; 1 failed) | **21.10 ± 0.10 (n = 3)** |",
        "| 10 | 100.10 ± 0.10 (n = 3) | **101.10 ± 0.10 (n = 3)** |",
        "",
        "<!-- from here -->",
    ]


def test_with_intervals_and_the_smaller_the_better() -> None:
    trials = frame(state="completed")
    table = pivot(trials, VARIED, ["loss.b", "loss.a", "score"], maximize=False)
    cells = [[(cell.text, cell.bold) for cell in row] for row in as_styled_table(table, Spread.CI).rows]
    assert cells[0] == [("0", False), ("20.10 [19.85, 20.35]", True), ("100.10 [99.85, 100.35]", False)]
    assert as_styled_table(table, Spread.CI).caption.startswith("score ↓: mean [95 % interval] over n = 3 seeds")
    table = pivot(trials, VARIED, ["loss.b", "loss.a", "score"], within=(20, 100.2))
    assert [cell.text for cell in as_styled_table(table, Spread.CI).rows[0]][1:] == [
        "20.10 [20.00, 20.35]",
        "100.10 [99.85, 100.20]",
    ]


def test_without_a_known_direction_nothing_is_called_best() -> None:
    table = pivot(frame(), VARIED, ["loss.a", "loss.b", "score"])
    assert not any(cell.bold for row in as_styled_table(table, Spread.STD).rows for cell in row)


def test_what_else_varies_makes_more_rows_and_nothing_is_pooled() -> None:
    trials = pd.concat([frame(mode="x"), frame(mode="y", score=1.0)])
    table = pivot(trials, [*VARIED, "mode"], ["loss.a", "loss.b", "score"])
    assert list(table.rows) == [("x", 2), ("x", 10), ("y", 2), ("y", 10)]
    assert as_styled_table(table, Spread.STD).head == ["mode", "a", "b = 0", "b = 1"]


def test_as_numbers_it_has_the_means() -> None:
    found = as_frame(pivot(frame(), VARIED, ["loss.a", "loss.b", "score"]))
    assert list(found.columns) == ["loss.a", "loss.b=0", "loss.b=1"]
    np.testing.assert_allclose(found["loss.b=1"], [21.1, 101.1])


def test_a_cell_without_a_result_says_why_and_one_without_trials_is_empty() -> None:
    trials = frame()
    trials.loc[:2, "state"] = "diverged"
    table = pivot(trials[(trials["loss.a"] == 2) | (trials["loss.b"] == 1)], VARIED, ["loss.a", "loss.b", "score"])
    assert [row[1].text for row in as_styled_table(table, Spread.STD).rows] == ["3 diverged", ""]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (["loss.a", "score"], "three names"),
        (["loss.a", "loss.c", "score"], "no such parameter that varies"),
        (["loss.a", "loss.a", "score"], "rows and columns are the same"),
        (["loss.a", "loss.b", "skore"], "did you mean score"),
        (["loss.a", "loss.b", "state"], "no such metric"),
    ],
)
def test_what_is_no_pivot_is_refused(axes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pivot(frame(), VARIED, axes)


def test_no_trial_left_is_reported() -> None:
    with pytest.raises(UsageError, match="no trial is left"):
        pivot(frame()[:0], VARIED, ["loss.a", "loss.b", "score"])
