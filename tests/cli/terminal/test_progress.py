from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from sweeper.cli.terminal import progress
from sweeper.cli.terminal.progress import Screen
from sweeper.trial import State
from tests.records import make_end, make_life, make_trial


def on_terminal(written: str) -> list[str]:
    """What a terminal without bottom shows of what rich writes: text, line feeds, cursor up, erased lines."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part in ("\r", "\x1b[2K"):
            lines[row] = ""
        elif not part.startswith("\x1b"):
            lines[row] += part
    return [line.rstrip() for line in lines if line.strip()]


def test_lines_of_ended_trials_and_the_drawn_progress_never_overwrite_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "REDRAW_S", 0.0)
    file = io.StringIO()
    on = Console(file=file, force_terminal=True, width=200, height=50, color_system=None)
    trials = [make_trial(seed, beta=1) for seed in range(150)]
    with Screen(on, len(trials), ["score"]) as screen:
        for first in range(0, len(trials), 3):  # one to three trials run: the drawn lines grow and shrink
            for trial in trials[first : first + 3]:
                screen.push(trial, make_life(trial, 0.1)[0])
            for trial in trials[first : first + 3]:
                screen.push(trial, make_end(trial, score=0.5))
    shown = on_terminal(file.getvalue())
    assert [line.split("]")[0] for line in shown] == [f"[{number}/150" for number in range(1, 151)]


def test_the_steps_of_a_pack_are_shown_before_its_first_report() -> None:
    file, trial = io.StringIO(), replace(make_trial(0, beta=1), base={"train.steps": 50})
    on = Console(file=file, width=80, height=24, color_system=None)
    screen = Screen(on, 1, ["loss"], planned=[trial])
    screen.push(trial, make_life(trial, 0.1)[0])
    screen.show_step(trial, 10)
    on.print(screen.render())
    assert " 20% 0/1 trials" in file.getvalue()
    assert "10 of 50 steps" in file.getvalue()
    assert " 1     0    10" in file.getvalue()


def test_piped_progress_comes_between_reports_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PIPED_EVERY_S", -1.0)
    file, trial = io.StringIO(), make_trial(0, beta=1)
    with Screen(Console(file=file, width=80, color_system=None), 1, ["loss"], planned=[trial]) as screen:
        screen.push(trial, make_life(trial, 0.1)[0])
        screen.show_step(trial, 10)
    assert file.getvalue().startswith("0/1 trials")
    assert "\r" not in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_without_named_metrics_the_first_reported_ones_are_shown() -> None:
    file, trials = io.StringIO(), [make_trial(seed, beta=1) for seed in range(2)]
    with Screen(Console(file=file, width=200, color_system=None), 2, []) as screen:
        screen.push(trials[0], make_end(trials[0], State.FAILED))
        screen.push(trials[1], make_end(trials[1], loss=0.25, a=1, b=2, c=3))
    assert "loss 0.25  a 1  b 2  " in file.getvalue()
    assert "c 3" not in file.getvalue()
