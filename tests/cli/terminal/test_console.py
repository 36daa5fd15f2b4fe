from __future__ import annotations

import io
import math
from dataclasses import replace

from rich.console import Console

from sweeper.cli.terminal import console, tables
from sweeper.cli.terminal.progress import Screen
from sweeper.errors import Problem
from sweeper.trial import Record, State
from tests.records import make_end, make_life, make_trial

TRIAL = make_trial(0, **{"loss.beta": 1})


def text_console(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def said(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_a_problem_says_where_what_and_how() -> None:
    on = text_console()
    console.print_problems(on, [Problem("unknown key", "grid.yaml:3", "sedes", "3", "seeds", "did you mean seeds?")])
    assert said(on).splitlines() == [
        "error: grid.yaml:3: sedes: unknown key",
        "  found: 3",
        "  allowed: seeds",
        "  hint: did you mean seeds?",
    ]


def test_markup_in_user_text_is_only_text() -> None:
    on = text_console()
    console.print_problems(on, [Problem("[red]no[/red] [/]")])
    assert "[red]no[/red] [/]" in said(on)


def test_piped_progress_is_one_line_a_finished_trial() -> None:
    on = text_console()
    with Screen(on, 1, ["score"]) as screen:
        for event in make_life(TRIAL, 0.1, 0.25):
            screen.push(TRIAL, event)
    assert said(on) == "[1/1] completed  beta=1 seed=0  score 0.25  2.0 s\n"


def test_an_attempt_to_be_tried_again_is_not_done() -> None:
    on = text_console()
    with Screen(on, 1, ["score"]) as screen:
        screen.push(TRIAL, replace(make_end(TRIAL, State.FAILED), reason="boom", retry=True))
    assert said(on).startswith("[0/1] failed")
    assert "to be tried again" in said(on)


def test_quiet_says_nothing() -> None:
    on = text_console()
    with Screen(on, 1, ["score"], quiet=True) as screen:
        for event in make_life(TRIAL, 0.1):
            screen.push(TRIAL, event)
        screen.show("news")
    assert said(on) == ""


def test_live_progress_shows_what_runs() -> None:
    screen = Screen(text_console(), 2, ["score"])
    for event in make_life(TRIAL, 0.1, 0.25)[:-1]:
        screen.push(TRIAL, event)
    on = text_console()
    on.print(screen.render())
    assert "0/2 trials" in said(on)
    assert said(on).splitlines()[-2:] == ["beta  seed  step  score", "   1     0     2   0.25"]


def test_start_up_says_what_it_waits_for() -> None:
    screen = Screen(text_console(), 2, ["score"])
    screen.show_activity("starting workers: 1 of 2")
    on = text_console()
    on.print(screen.render())
    assert "starting workers: 1 of 2 ..." in said(on)


def test_a_long_run_in_a_pipe_shows_its_progress_now_and_then() -> None:
    on = text_console()
    screen = Screen(on, 1, ["score"], printed=-1e6)
    for event in make_life(TRIAL, 0.1, 0.25)[:-1]:
        screen.push(TRIAL, event)
    (line,) = said(on).splitlines()
    assert line.startswith("0/1 trials")
    assert "steps" in line


def test_a_configuration_says_how_many_of_its_seeds_count() -> None:
    trials = [make_trial(seed, beta=1) for seed in range(3)]
    ends = [make_end(trials[0], score=1.0), make_end(trials[1], score=0.5), make_end(trials[2], State.FAILED)]
    on = text_console()
    tables.print_configurations(on, [Record(t, 1, None, e) for t, e in zip(trials, ends, strict=True)], ["score"])
    assert "2/3 failed" in said(on)
    assert "0.8 ± 0.4" in said(on)


def test_a_long_heading_is_broken_at_its_underscores() -> None:
    assert console.heading("loss.inter_latent_divergence_weight", []) == "inter_\nlatent_\ndivergence_\nweight"


def test_names_that_end_alike_are_distinct() -> None:
    assert console.heading("a.lr", ["a.lr", "b.lr"]) == "a.lr"


def test_a_sparkline_rises_with_its_values_and_has_a_gap_for_nan() -> None:
    assert console.sparkline([0, 1, math.nan, 2]) == "▁▅ █"


def test_a_constant_is_a_flat_line() -> None:
    assert console.sparkline([3, 3, 3]) == "▁▁▁"


def test_warnings_that_say_the_same_of_many_keys_are_one_line() -> None:
    on, single = text_console(), "a single value does not vary"
    many = [Problem(single, f"f.yaml:{i}", f"parameters.p{i}", hint=f"value: {i}") for i in range(13)]
    console.print_problems(on, [*many, Problem("a seed is given twice", "f.yaml:20", "seeds")], "warning")
    first, found, *_ = said(on).splitlines()
    assert first == f"warning: f.yaml:0: 13 keys: {single}"
    assert "parameters.p0" in found
    assert "and 5 more" in said(on)
    assert "f.yaml:20" in said(on)


def test_errors_are_never_drawn_together() -> None:
    on = text_console()
    console.print_problems(on, [Problem("unknown key", f"f.yaml:{i}", f"p{i}") for i in range(5)])
    assert said(on).count("unknown key") == 5
