"""Commands to type next, made from what is known of a trial."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from sweeper.trial import Trial


def alone(file: Path, trial: Trial) -> str:
    """The command that trains this trial again, alone and unrecorded, from the sweep's file as it was run."""
    settings = [f"{name}={json.dumps(value)}" for name, value in trial.varied.items()]
    return shlex.join(["sweeper", "train", str(file), *settings, f"seeds=[{trial.seed}]"])
