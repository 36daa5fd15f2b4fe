"""The commands that steer a running sweep, from another terminal or another node: stop, pause, resume, set, add."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli.options import Shared, SweepName, shares
from sweeper.cli.output import find_trial, named_sweep, print_json, results_console
from sweeper.errors import Problem, UsageError

if TYPE_CHECKING:
    from sweeper.ledger.commands import Answer
    from sweeper.ledger.paths import SweepDir

ANSWER_S = 15.0  # a driver answers within two seconds; one whose machine is overloaded may take longer
LOOK_S = 0.05

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.", show_default=False)]


@shares("results", "as_json", "no_color")
def stop(
    sweep: SweepName,
    trial: Annotated[
        str,
        typer.Option(help="Only this trial: its key, or its beginning.", show_default=False),
    ] = "",
    where: Annotated[
        str,
        typer.Option(help="Only trials where this holds of settings and reported metrics.", show_default=False),
    ] = "",
    reason: Reason = "",
    *,
    shared: Shared,
) -> None:
    """Stop a running sweep at its next checkpoints; or some of its trials for good (--rerun stopped takes them up)."""
    if trial and where:
        raise UsageError(Problem("--trial and --where exclude each other", hint="give one of them"))
    sweep_dir = named_sweep(shared.results, sweep)
    if trial:
        from sweeper.analysis.frames import history

        trial = find_trial(history(sweep_dir), trial).trial.key
    _send(sweep_dir, shared, "stop", reason, trial=trial, where=where)


@shares("results", "as_json", "no_color")
def pause(sweep: SweepName, reason: Reason = "", *, shared: Shared) -> None:
    """Let a running sweep start no new trials; those that train go on to their end."""
    _send(named_sweep(shared.results, sweep), shared, "pause", reason)


@shares("results", "as_json", "no_color")
def resume(sweep: SweepName, reason: Reason = "", *, shared: Shared) -> None:
    """Let a paused sweep go on."""
    _send(named_sweep(shared.results, sweep), shared, "resume", reason)


@shares("results", "as_json", "no_color")
def set_limits(
    sweep: SweepName,
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE ...",
            help="budget.wall, budget.device_hours, budget.trials (of a search), max_concurrent.",
            show_default=False,
        ),
    ],
    reason: Reason = "",
    *,
    shared: Shared,
) -> None:
    """Give a running sweep other limits, until it ends: budget.wall=4h max_concurrent=8."""
    pairs = _pairs(settings, "budget.wall=4h max_concurrent=8")
    _send(named_sweep(shared.results, sweep), shared, "set", reason, settings=pairs)


@shares("results", "as_json", "no_color")
def add(
    sweep: SweepName,
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUES ...",
            help="A parameter that varies (further values), seeds, or configs (of a list).",
            show_default=False,
        ),
    ],
    reason: Reason = "",
    *,
    shared: Shared,
) -> None:
    """Add values, seeds or configurations to a running sweep: loss.beta=2,4 seeds=5."""
    _send(named_sweep(shared.results, sweep), shared, "add", reason, settings=_pairs(settings, "loss.beta=2,4 seeds=5"))


def _pairs(words: list[str], example: str) -> dict[str, str]:
    """KEY=VALUE by its key. Raises UsageError for what is none."""
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (_, equals, value) in zip(words, pairs, strict=True) if not (equals and value)]:
        raise UsageError(Problem("not KEY=VALUE", found=wrong[0], allowed=f"e.g. {example}"))
    return {key: value for key, _, value in pairs}


def _send(
    sweep_dir: SweepDir,
    shared: Shared,
    action: str,
    reason: str,
    *,
    trial: str = "",
    where: str = "",
    settings: dict[str, str] | None = None,
) -> None:
    """Hand a command to the driver and print its answer. Raises UsageError where there is none, or it refuses."""
    from sweeper.analysis.frames import must_exist
    from sweeper.ledger import commands, lock

    must_exist(sweep_dir)
    run = lock.holder(sweep_dir.lock)
    if not run:
        raise _not_running(sweep_dir)
    name = uuid.uuid4().hex
    command = commands.Command(name, run, time.time(), _who(), reason[:500], action, trial, where, settings or {})
    began = time.monotonic()
    commands.drop(sweep_dir, command)
    try:
        answer = _answer(sweep_dir, name, run)
        took_s = time.monotonic() - began
    finally:
        with contextlib.suppress(OSError):
            commands.withdraw(sweep_dir, name)
    if not answer.accepted:
        raise UsageError(Problem(answer.text, sweep_dir.name, found=command.text))
    if shared.as_json:
        trials = list(answer.trials)
        known = {"sweep": sweep_dir.name, "command": command.text, "acknowledged": answer.text, "trials": trials}
        print_json(known | {"answer_s": round(took_s, 3)})
    else:
        text = f"{sweep_dir.name}: {answer.text} (answered after {took_s:.1f} s)"
        results_console(shared.no_color).print(text, soft_wrap=True)


def _answer(sweep_dir: SweepDir, name: str, run: str) -> Answer:
    from sweeper.ledger import commands, lock

    until = time.monotonic() + ANSWER_S
    while time.monotonic() < until:
        is_there = lock.holder(sweep_dir.lock) == run  # asked first: a driver answers before it lets the lock go
        if (answer := commands.answer_to(sweep_dir, name)) is not None:
            return answer
        if not is_there:
            raise _not_running(sweep_dir, "the run ended before it took the command up")
        time.sleep(LOOK_S)
    hint = "is the results folder the one that the driver writes to? `sweeper status` shows who runs the sweep"
    raise UsageError(
        Problem(f"no answer within {ANSWER_S:.0f} s; the command was withdrawn", sweep_dir.name, found=run, hint=hint)
    )


def _not_running(sweep_dir: SweepDir, message: str = "this sweep is not running") -> UsageError:
    hint = "`sweeper run FILE` starts or continues it; what does not run cannot be steered"
    return UsageError(Problem(message, str(sweep_dir.folder), hint=hint))


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
