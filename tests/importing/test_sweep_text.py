from __future__ import annotations

import pytest

from sweeper.importing.source import ImportChoice, ImportSource, SourceTrial
from sweeper.importing.sweep_text import sweep_text
from sweeper.importing.trials import imported_trials
from sweeper.trial import State
from sweeper.value_text import NO_LABELS


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ([10 ** (-k / 20) for k in range(41)], "x: {min: 0.01, max: 1.0, log: true}"),
        ([0.00001, *(k / 40 for k in range(1, 41))], "x: {min: 1e-05, max: 1.0}"),
        (list(range(-5, 36)), "x: {min: -5, max: 35}"),
        ([3, 1.5, 2], "x: {values: [1.5, 2, 3]}"),
    ],
)
def test_few_numbers_are_listed_and_many_are_a_range_as_they_are_spread(numbers: list[float], line: str) -> None:
    trials = [SourceTrial(str(at), "", {"x": number}, {}, State.COMPLETED) for at, number in enumerate(numbers)]
    source = ImportSource("csv", "a table", trials)
    made, _ = imported_trials("old", source, ImportChoice(), {}, NO_LABELS)
    assert line in sweep_text("old", source, made, ImportChoice())
