from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import contest
import readings
import run
import table
from contest import Contest
from readings import FAILED, OURS, SAID, AtLeast, AtMost, Faster, Found, Reading, Row


def reading(row: str, contender: str, value: float, unit: str = "s", measure: str = "wall time") -> Reading:
    return Reading(row, measure, contender, value, unit, False, "2026-01-01 00:00", "c0de", 0.1)


def row(name: str, *goals: readings.Goal) -> Row:
    return Row(name, "Table", lambda quick: iter([]), {"wall": goals})


RACE = [reading("race", OURS, 1), reading("race", OURS, 9), reading("race", OURS, 2), reading("race", "Other", 5)]


def test_a_goal_is_judged_by_medians_and_says_what_was_found_instead() -> None:
    said = table.markdown([row("race", Faster(3, "3x faster"))], RACE)
    assert "| wall time | 2 s | 5 s (2.5x) | 3x faster | **missed** (2.5 times as fast) |" in said
    assert "| 2x faster | met |" in table.markdown([row("race", Faster(2, "2x faster"))], RACE)


def test_a_rival_that_was_not_measured_meets_no_goal() -> None:
    assert "**missed** (not measured)" in table.markdown([row("race", Faster(2, "2x", "Third"))], RACE)


def test_limits_hold_in_both_directions() -> None:
    assert [AtMost(3, "").missed({OURS: 3}), AtLeast(3, "").missed({OURS: 3})] == ["", ""]
    assert AtMost(3, "").missed({OURS: 6}) == "2 times that"
    assert AtLeast(0.4, "").missed({OURS: 0.1}) == "25% of that"


def test_what_could_not_be_run_is_neither_met_nor_missed() -> None:
    broken = [reading("race", OURS, 0, FAILED), reading("gpu", OURS, 0, SAID, "wall time: no GPU here")]
    said = table.markdown([row("race", AtMost(1, "1 s")), row("gpu", AtMost(1, "1 s"))], broken + RACE[:0])
    assert "| 1 s | failed |" in said
    assert "| wall time: no GPU here |" in said
    assert "met" not in said


def test_rows_that_are_run_again_replace_only_themselves(tmp_path: Path) -> None:
    file, order = tmp_path / "runs.csv", ["race", "gpu"]
    readings.save(file, [*RACE, reading("gpu", OURS, 1), reading("forgotten", OURS, 1)])
    both = readings.merged(readings.load(file), [reading("gpu", OURS, 7)], order)
    assert both == [*RACE, reading("gpu", OURS, 7)]


def test_a_row_that_breaks_off_keeps_what_it_had_and_fails(tmp_path: Path) -> None:
    def race(quick: bool) -> Iterator[Found]:
        yield Found("wall time", OURS, 2.0)
        raise ValueError("a rival fell")

    taken = run.measured(Row("noop", "Table", race), quick=True)
    run.keep(tmp_path, taken)
    assert [reading.unit for reading in taken] == ["s", FAILED]
    assert readings.load(tmp_path / "runs.csv") == taken
    assert "noop: ValueError,sweeper" in (tmp_path / "runs.csv").read_text()
    assert json.loads((tmp_path / "machine.json").read_text())["cores"] >= 1


def test_every_row_has_a_name_of_its_own_and_goals_in_words() -> None:
    assert len({row.name for row in run.ROWS}) == len(run.ROWS)
    assert all(goal.text for row in run.ROWS for goals in row.goals.values() for goal in goals)


def test_every_contender_gets_the_same_grid(tmp_path: Path) -> None:
    trials = Contest("cvae", {"loss.beta": [0.5, 1], "seed": [0, 1, 2], "train.steps": [60]})
    assert len(trials.points) == 6
    for name, command in contest.CONTENDERS.items():
        words = " ".join(command(trials, tmp_path)) + (tmp_path / "grid.yaml").read_text() * name.startswith(OURS)
        assert all(word in words for word in ("loss.beta", "0.5", "train.steps", "60")), name
