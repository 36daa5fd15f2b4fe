from __future__ import annotations

import io
import json
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from sweeper.analysis.progress import BestConfiguration, Map, Progress, RunningTrial, SweepSummary
from sweeper.cli.app import app
from sweeper.cli.terminal.status import follow, render, text_map
from sweeper.execution.runner import run_in_process
from sweeper.trial import Started
from tests.conftest import Sweeper
from tests.execution.runs import opened, train

STARTED = partial(Started, attempt=1, at=1.0, device="cpu", host="here")


@pytest.fixture
def naughty(folder: Path) -> str:
    """A sweep of a good, a failed and a diverged trial; the key of the good one."""
    file = folder / "toy.yaml"
    file.write_text(
        "name: toy\ntrainer: naughty:by_name\nmetric: {name: score, goal: maximize}\nretry: {max: 0}\n"
        "parameters: {deed: {values: [good, raise, nan]}}\n"
    )
    return next(iter(train(file).records))


def test_status_counts_and_names_what_failed(naughty: str, sweeper: Sweeper) -> None:
    document = sweeper("status", "toy", "--json").json()
    assert document["counts"] == {"completed": 1, "failed": 1, "diverged": 1}
    assert {failure["name"] for failure in document["failures"]} == {"deed=raise seed=0", 'deed="nan" seed=0'}
    text = sweeper("status", "toy").out
    assert "3/3" in text
    assert "\nfinished" in text
    assert document["state"] == "finished"
    assert "score is nan at step 2" in text


def test_follow_ends_when_nobody_runs_the_sweep(naughty: str, sweeper: Sweeper) -> None:
    assert sweeper("status", "toy", "--follow", timeout_s=30).code == 0


def test_follow_prints_a_line_of_json_per_change_until_the_run_has_ended(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as driver:
        session, _ = driver.enter_context(opened(toy))
        first, *others = session.records
        moments = iter(
            [lambda: None, lambda: session.record(STARTED(first)), lambda: run_in_process(session), driver.close]
        )
        clock = SimpleNamespace(
            time=time.time, sleep=lambda seconds: next(moments)()
        )  # the run has threads that sleep, too
        monkeypatch.setattr("sweeper.cli.results.time", clock)
        said = CliRunner().invoke(app, ["status", "toy", "--follow", "--json"], catch_exceptions=False).output
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["counts"] for line in lines] == [
        {"pending": 4}, {"running": 1, "pending": 3}, {"completed": 4}, {"completed": 4},
    ]  # fmt: skip
    assert lines[1]["changed"] == [{"trial": first, "state": "running"}]
    assert {change["trial"] for change in lines[2]["changed"]} == {first, *others}
    assert [bool(line["driver"]) for line in lines] == [True, True, True, False]
    assert all(line["schema_version"] == 1 for line in lines)


def test_show_has_settings_metrics_provenance_and_the_way_to_run_it_again(naughty: str, sweeper: Sweeper) -> None:
    said = sweeper("show", "toy", naughty[:6])
    assert said.code == 0, said.err
    for word in ("completed", "deed", "good", "score", "0.6", "code", "abc"):
        assert word in said.out
    command = said.out.strip().splitlines()[-1].removeprefix("again, alone: ")
    again = sweeper(*command.split()[1:-2], "deed=good", "seeds=[0]")
    assert again.code == 0, again.err
    assert "score 0.6" in again.err


def test_show_has_the_end_of_the_log_of_a_failure(naughty: str, sweeper: Sweeper) -> None:
    (failure,) = [f for f in sweeper("status", "toy", "--json").json()["failures"] if f["state"] == "failed"]
    assert "ValueError: bad luck" in sweeper("show", "toy", failure["trial"]).out
    for words, problem in ((["toy"], "TRIAL: which trial?"), (["toy", "zz"], "TRIAL: no such trial")):
        refused = sweeper("show", *words)
        assert refused.code == 2
        assert problem in refused.err
        assert naughty[:8] in refused.err


MAP = Map("score", "loss.beta", "kind", ["0", "1"], ["a", "b"], {("0", "a"): 0.5, ("1", "b"): 0.75}, ["rate"])
PROGRESS = Progress("toy", "running", "process 1", {"completed": 2, "running": 1, "pending": 1}, 120.0, 5.0, 60.0, [])
SEEN = SweepSummary(
    PROGRESS,
    BestConfiguration("c", "beta=1", {"score": 0.75}, 2),
    [RunningTrial("t", "beta=0 seed=1", 30, "score", [0, 1])],
    MAP,
)


def said(*things: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(*things)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_progress_has_rate_time_left_best_so_far_and_the_curve_of_what_runs() -> None:
    text = said(render(SEEN))
    pace = "120 trials an hour, 5 steps per second, about 1 min 00 s left"
    for words in ("2/4", pace, "score 0.75 at beta=1, n=2", "30  1", "▁█"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_long_name_is_shown_whole_in_a_narrow_terminal() -> None:
    name = "a_rather_long_name_of_a_sweep_for_the_first_experiment_of_mine"
    lines = said(render(replace(SEEN, progress=replace(PROGRESS, name=name)))).splitlines()
    assert lines[0].split()[0] + lines[1].strip() == name
    assert lines[0].endswith("2/4")


def test_a_map_in_text_has_a_number_a_cell_and_says_what_was_averaged() -> None:
    title, head, *rows = said(text_map(MAP)).splitlines()
    assert title == "score: loss.beta across, kind down, averaged over rate"
    assert head.split() == ["0", "1"]
    assert [row.split() for row in rows] == [["a", "0.5", "-"], ["b", "-", "0.75"]]


@pytest.mark.parametrize("width", [34, 60, 80])
def test_a_map_in_a_narrow_terminal_cuts_no_number(width: int) -> None:
    xs = [f"{0.001 * 3**i:.4g}" for i in range(12)]
    wide = Map("score", "x", "y", xs, ["a", "b"], {(x, y): 0.12345 for x in xs for y in "ab"}, [])
    console = Console(file=io.StringIO(), width=width)
    console.print(text_map(wide))
    _, head, first, second, *left_out = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert set(first.split()) == {"a", "0.1235"}
    shown = head.split()
    assert len(shown) == len(first.split()) - 1 == len(second.split()) - 1
    assert shown + "".join(left_out).removeprefix("no room for x ").replace(",", " ").split() == xs


def test_piped_a_line_whenever_something_changed() -> None:
    later = replace(SEEN, progress=replace(PROGRESS, driver="", counts={"completed": 4}))
    looks = iter([SEEN, SEEN, later])
    console = Console(file=io.StringIO(), width=80)
    follow(console, lambda: next(looks), 0.0)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.partition(":")[0] for line in lines] == ["toy 2/4", "toy 4/4"]
    assert "\x1b" not in "".join(lines)


def test_on_a_terminal_the_progress_is_drawn_again() -> None:
    later = replace(SEEN, progress=replace(PROGRESS, driver="", counts={"completed": 4}))
    looks = iter([SEEN, later])
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    follow(console, lambda: next(looks), 0.0)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2/4" in text
    assert "4/4" in text
