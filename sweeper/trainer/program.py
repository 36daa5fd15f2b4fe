"""A command as a trainer: a program of any language, in a process group of its own, whose metrics are JSON lines.

    {"step": 3, "loss": 0.1}        on standard output is a report; every other line is the trial's log
    sweeper.report(3, {"loss": 0.1})        in a program of Python is the same, wherever its standard output goes

No shell sees the command, and nothing of a sweep file reaches one. The program runs in the user's folder, with
`SWEEPER_SEED`, `SWEEPER_PARAMS` (JSON), `SWEEPER_DIRECTORY` (the trial's) and `SWEEPER_CHECKPOINT_DIR` (empty at first,
for what it needs to resume) in its environment. It is stopped by SIGTERM, and killed after a grace.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sweeper import process_group
from sweeper.errors import ProgramError
from sweeper.trainer import planned_source
from sweeper.trainer.program_report import REPORTS, ReportFile

PREFIX = "command: "  # of the name of such a trainer
USUAL = ("${env}", "${interpreter}", "${program}", "${args}")  # W&B's command where a file has none
MACROS = (
    "env", "interpreter", "program", "args", "args_no_hyphens", "args_no_boolean_flags", "args_json", "seed",
)  # fmt: skip
GRACE_S = 10.0  # from SIGTERM to SIGKILL
POLL_S = 0.2
LONGEST = 1 << 20  # bytes of a line
STEPS = ("step", "_step")
_MACRO = re.compile(r"\$\{(\w+)\}")

Params = Mapping[str, Any]


def unknown_macros(command: Sequence[str]) -> list[str]:
    """The macros of a command that have no meaning."""
    return [name for part in command for name in _MACRO.findall(part) if name not in MACROS]


def name_of(command: Sequence[str], *, seeded: bool) -> str:
    """The name of the trainer, which is part of every key: the command with its macros.

    With `seeded` a program is given `--seed`, unless the command has `${seed}` itself.

    >>> name_of(["${interpreter}", "train.py", "${args}"], seeded=True)
    'command: ${interpreter} train.py ${args} --seed=${seed}'
    """
    parts = list(command)
    if seeded and not any("${seed}" in part for part in parts):
        for place, part in enumerate(parts):
            if part in ("${args}", "${args_no_boolean_flags}", "${args_no_hyphens}"):
                parts.insert(place + 1, "seed=${seed}" if part == "${args_no_hyphens}" else "--seed=${seed}")
                break
    return PREFIX + " ".join(part if _MACRO.search(part) and " " not in part else shlex.quote(part) for part in parts)


def target_of(name: str, folder: Path) -> str:
    """What a worker is given: the command and the folder that it runs in."""
    return PREFIX + json.dumps({"command": _parts(name), "folder": str(folder.absolute())})


def folder_of(name: str, folders: Sequence[Path]) -> Path:
    """The first of the folders that has a file which the command names; else the first."""
    parts = _parts(name)
    return next((folder for folder in folders if any(_is_file(folder, part) for part in parts)), folders[0])


def not_installed(name: str) -> str:
    """The program that a command begins with, where this machine has none of that name; "" where it has, or for a path.

    >>> not_installed("command: no-such-program ${args}"), not_installed("command: sh ${args}")
    ('no-such-program', '')
    """
    first = _parts(name)[0]
    return "" if "/" in first or "${" in first or shutil.which(first) else first


def files_of(name: str, folder: Path) -> list[str]:
    """The files that a command runs: those it names in the folder, and the local modules that these import."""
    parts = _parts(name)
    named = [folder / part for part in parts if _is_file(folder, part)]
    modules = [part for before, part in pairwise(parts) if before == "-m"]
    named += [path for module in modules if (path := folder.joinpath(*module.split(".")).with_suffix(".py")).is_file()]
    found = dict.fromkeys(str(path) for path in named)
    for path in (path for path in named if path.suffix == ".py"):
        with contextlib.suppress(SyntaxError, ValueError, OSError):  # then it fails when it runs
            project = planned_source.own_project(path.stem, path)
            found |= dict.fromkeys(sorted(source.path for source in project.values()))
    return [os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path for path in found]


def _parts(name: str) -> list[str]:
    return shlex.split(name[len(PREFIX) :])


def _is_file(folder: Path, part: str) -> bool:
    return not part.startswith("-") and "${" not in part and (folder / part).is_file()


def expand(command: Sequence[str], params: Params) -> list[str]:
    """The arguments of the process, W&B's macros filled in from the settings of a trial.

    >>> expand(["train", "${args}", "--seed=${seed}"], {"lr": 0.1, "seed": 3})
    ['train', '--lr=0.1', '--seed=3']
    >>> expand(["train", "${args_no_boolean_flags}"], {"amp": True, "debug": False, "lr": 0.1})
    ['train', '--amp', '--lr=0.1']
    """
    own = {name: value for name, value in params.items() if name != "seed"}
    texts = {"env": "/usr/bin/env", "interpreter": sys.executable, "seed": str(params.get("seed", 0))}
    texts["args_json"] = json.dumps(own)
    lists = {"args_no_hyphens": [f"{name}={value}" for name, value in own.items()]}
    lists["args"] = [f"--{text}" for text in lists["args_no_hyphens"]]
    lists["args_no_boolean_flags"] = [
        f"--{name}" if value is True else f"--{name}={value}" for name, value in own.items() if value is not False
    ]
    expanded: list[str] = []
    for part in command:
        whole = _MACRO.fullmatch(part)
        if whole and whole[1] in lists:
            expanded += lists[whole[1]]
        else:
            expanded.append(_MACRO.sub(lambda match: texts.get(match[1], match[0]), part))
    return expanded


def function_of(target: str) -> Callable[..., None]:
    """The trainer of a command; `checkpoint_directory` is where the program itself keeps what it needs to resume."""
    described = json.loads(target[len(PREFIX) :])
    command, folder = described["command"], Path(described["folder"])

    def train(
        params: Params,
        report: Callable[[float, Mapping[str, float]], None],
        *,
        directory: Path,
        is_cancelled: Callable[[], bool],
        checkpoint: Any,
        checkpoint_directory: Path,
    ) -> None:
        """Raises ProgramError with the exit code and the last line of errors of a program that fails."""
        state = checkpoint.load()
        step = int(state[1].get("step", -1)) if state else -1
        checkpoint_directory.mkdir(parents=True, exist_ok=True)
        environment = _environment(params, directory, checkpoint_directory)

        def take(text: str) -> None:
            nonlocal step
            if values := _report(text):
                number = next((values.pop(key) for key in STEPS if key in values), step + 1)
                number = int(number) if float(number).is_integer() else number  # 3.0; others are refused
                if not number < step:  # else it was reported before the program was stopped
                    report(number, values)
                    step = int(number)
            elif text:
                print(text, flush=True)

        arguments = expand(command, params)
        with ReportFile(Path(environment[REPORTS])) as reports, _running(arguments, folder, environment) as process:
            for text in _lines(process):
                if is_cancelled():
                    report(max(step, 0), {})  # raises
                for line in (*reports.lines(), text):
                    take(line)
                if step >= 0 and checkpoint.is_due() and any(checkpoint_directory.iterdir()):
                    checkpoint.save(step, {}, {"step": step})  # raises where the run stops
            for line in reports.lines():
                take(line)

    return train


def _report(text: str) -> dict[str, float]:
    """The numbers of a JSON object in one line; {} for any other line."""
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _environment(params: Params, directory: Path, checkpoint_directory: Path) -> dict[str, str]:
    own = {"SEED": str(params.get("seed", 0)), "PARAMS": json.dumps(dict(params))}
    own |= {"DIRECTORY": str(directory.absolute()), "CHECKPOINT_DIR": str(checkpoint_directory.absolute())}
    own |= {REPORTS.removeprefix("SWEEPER_"): str(directory.absolute() / "reports.jsonl")}
    return {**os.environ, "PYTHONUNBUFFERED": "1", **{f"SWEEPER_{name}": value for name, value in own.items()}}


@contextlib.contextmanager
def _running(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process; at the end of the block it is over, and all that it started. Raises ProgramError where it failed."""
    last: list[str] = []
    with process_group.guarded() as group:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, process_group=group,
        )  # fmt: skip
        copier = threading.Thread(target=_copy_errors, args=(process, last), daemon=True)
        copier.start()
        try:
            yield process
            code = process.wait()
        finally:
            process_group.end(group, process, GRACE_S)
            copier.join(POLL_S)
            assert process.stdout is not None
            process.stdout.close()
    if code:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ProgramError(f"{how}: {last[-1]}" if last else how)


def _copy_errors(process: subprocess.Popen[bytes], last: list[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            print(text, file=sys.stderr, flush=True)
            if text.strip():
                last[:] = [text.strip()]


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The lines of standard output as they come, and "" at least every POLL_S seconds; ends where the stream does."""
    assert process.stdout is not None
    handle, rest = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while True:
            is_over = process.poll() is not None  # asked before reading: what it wrote until then is there
            if not selector.select(POLL_S):
                if is_over:  # what it started in the background may hold the stream open
                    yield rest.decode(errors="replace").strip()
                    break
                yield ""
                continue
            found = os.read(handle, 1 << 16)
            *lines, rest = (rest + found).split(b"\n")
            if not found or len(rest) > LONGEST:
                lines, rest = [*lines, rest], b""
            for line in lines:
                yield line.decode(errors="replace").strip()
            if not found:
                break
    while process.poll() is None:  # it closed its output, and may still have to be stopped
        yield ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
