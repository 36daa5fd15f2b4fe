"""What a call from Python is given, a sweep file or a mapping with overrides, as a sweep with its trainer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, SpecError, UsageError
from sweeper.spec import mapping
from sweeper.spec.files import find_file
from sweeper.spec.load import load_spec
from sweeper.spec.sweep import Sweep
from sweeper.trainer import given

SweepLike = str | os.PathLike[str] | Mapping[str, Any]
TrainerLike = str | Callable[..., Any]
Overrides = Mapping[str, Any] | Sequence[str]


def load(
    sweep: SweepLike, overrides: Overrides | None, trainer: TrainerLike | None, settings: Mapping[str, Any]
) -> Sweep:
    """The sweep of a file, a name as on the command line, or a mapping. Raises SweeperError with all problems."""
    given.check_not_importing()
    words = list(mapping.as_words(overrides)) if isinstance(overrides, Mapping) else list(overrides or ())
    words += mapping.as_words(settings)
    if isinstance(sweep, Mapping):
        tree = dict(sweep)
        if callable(tree.get("trainer")):
            trainer = tree.pop("trainer") if trainer is None else trainer
            tree.pop("trainer", None)
        words += _trainer_words(trainer)
        if tree.get("name") is None and not any(word.startswith("name=") for word in words):
            hint = "it is the folder of the results: {'name': 'grid', ...}"
            raise SpecError(Problem("name is missing", mapping.MAPPING, "name", hint=hint))
        return load_spec(_source(), words, given=mapping.document_of(tree))
    if not isinstance(sweep, str | os.PathLike):
        allowed = "a sweep file, the name of one, or a mapping like one"
        raise UsageError(Problem("not a sweep", "", "sweep", repr(sweep)[:60], allowed))
    return load_spec(find_file(Path(sweep)), [*words, *_trainer_words(trainer)])


def _trainer_words(trainer: TrainerLike | None) -> list[str]:
    if trainer is None:
        return []
    return [f"trainer={trainer if isinstance(trainer, str) else given.name_of(trainer)}"]


def _source() -> Path:
    """Where a mapping is written: the script that runs, or the folder of the notebook."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(file) if file and Path(file).is_file() else Path.cwd() / "notebook"
