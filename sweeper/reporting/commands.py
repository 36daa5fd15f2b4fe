"""Commands to type next, made from what is known of a trial."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.redaction import without_login
from sweeper.trainer.given import refusal
from sweeper.trial import Trial


def alone(file: Path, trial: Trial) -> str:
    """The command that trains this trial again, alone and unrecorded, from the sweep's file as it was run.

    "" for an imported trial, and for one of a notebook or a loop: no command finds what trained it.
    """
    if trial.is_imported or refusal(trial.trainer):
        return ""
    settings = [f"{name}={json.dumps(value)}" for name, value in trial.varied.items()]
    return shlex.join(["sweeper", "train", str(file), *settings, f"seeds=[{trial.seed}]"])


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands that fit this run, as a person would type them."""

    file: Path
    overrides: Sequence[str]
    results: Path
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)  # other options of the run, as arguments by name

    def run(self, rerun: str = "") -> str:
        """The command that continues the run, with every option given; `rerun` selects what else to train again."""
        options = {**self.options, "rerun": ["--rerun", rerun]} if rerun else self.options
        arguments = [word for option in options.values() for word in option]
        overrides = map(without_login, self.overrides)  # it is printed: a log-in has to be typed again
        return shlex.join(["sweeper", "run", str(self.file), *overrides, *self._folder(), *arguments])

    def command(self, *arguments: str) -> str:
        return shlex.join(["sweeper", *arguments, *self._folder()])

    def _folder(self) -> list[str]:
        return [] if self.results == Path("results") else ["--results", str(self.results)]
