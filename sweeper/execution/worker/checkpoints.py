"""Where a running trial could go on from: tensors as safetensors, the rest as JSON, nothing that can be executed.

    trials/KEY/checkpoints/step-0000000400.safetensors    the trainer's tensors
    trials/KEY/checkpoints/step-0000000400.json           its data, the last metrics, the seconds trained: written last

A checkpoint exists once its JSON does. One that is damaged, or of another trial, is passed over for the one before it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import ContractError
from sweeper.execution.worker.reasons import log
from sweeper.execution.worker.stored_checkpoints import StoredCheckpoints, stem
from sweeper.ledger import atomic, regular_file

FOLDER = "checkpoints"
PROGRAM = "program"  # below it, what a command as a trainer keeps there itself
VERSION = 1
STOP_S, END_S = 20.0, 5.0  # how long the end of a run, and of a trial, waits for the storage


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint: the step it was made after, what was last reported, the seconds trained, the trainer's own part."""

    step: int
    metrics: dict[str, float]
    wall_s: float
    tensors: dict[str, Any]
    data: dict[str, Any]


def encoded(trial: str, saved: Saved) -> dict[str, bytes]:
    """The files of a checkpoint by their endings. Raises ContractError for data that are no JSON."""
    head = {"version": VERSION, "trial": trial, "step": saved.step, "wall_s": saved.wall_s}
    head |= {"tensors": _kind(saved.tensors)}
    try:
        sidecar = _json_bytes({**head, "metrics": saved.metrics, "data": saved.data})
    except _NOT_JSON:
        raise ContractError(_what_is_no_json(saved.data)) from None
    return {".safetensors": _tensor_bytes(saved.tensors), ".json": sidecar}


_NOT_JSON = (AttributeError, TypeError, ValueError, RuntimeError)


def _json_bytes(value: object) -> bytes:
    """As JSON; a tensor or an array of one element is a number. Raises one of _NOT_JSON for what is none."""
    return json.dumps(value, default=lambda one: one.item()).encode()


def _what_is_no_json(data: Mapping[str, Any]) -> str:
    for name, value in data.items():
        try:
            _json_bytes(value)
        except _NOT_JSON:
            found = f"{name!r:.80}, {type(value).__name__}, among its data"
            break
    else:
        found = "data"
    return f"checkpoint.save() got {found}: JSON is wanted; tensors go before them: save(step, tensors, data)"


def write(folder: Path, trial: str, saved: Saved) -> None:
    """Write a checkpoint into a trial's folder, whole or not at all. Raises OSError, and what `encoded` does."""
    _write(folder, saved.step, encoded(trial, saved))


def _write(folder: Path, step: int, contents: Mapping[str, bytes]) -> None:
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    for end, content in contents.items():
        with atomic.replaced(place / f"{stem(step)}{end}") as temporary:
            temporary.write_bytes(content)


def latest(folder: Path, trial: str) -> Saved | None:
    """The newest whole checkpoint of a trial, or None."""
    for sidecar in reversed(_sidecars(folder)):
        try:
            return _read(sidecar, trial)
        except Exception as error:
            # Whatever is wrong with a file of the results folder, it must not stop the trial: it begins earlier.
            log(f"checkpoint {sidecar.name} cannot be used: {error}")
    return None


def files(folder: Path, *, but: Iterable[int] = ()) -> list[Path]:
    """The files of a trial's checkpoints, half-written ones included, except of those made after the steps `but`.

    The JSON of a checkpoint comes before its tensors: removed in this order, no half of one is taken for a whole.
    """
    kept = {stem(step) for step in but}
    return sorted(path for path in (folder / FOLDER).glob("*") if path.stem not in kept and path.name != PROGRAM)


def remove(folder: Path, *, but: Iterable[int] = ()) -> None:
    """Remove the checkpoints of a trial, except those made after the steps `but`."""
    kept = list(but)
    for path in files(folder, but=kept):
        path.unlink(missing_ok=True)
    if not kept and (folder / FOLDER).is_dir():
        shutil.rmtree(folder / FOLDER / PROGRAM, ignore_errors=True)
        (folder / FOLDER).rmdir()


def steps(folder: Path) -> list[int]:
    """The steps after which a trial left checkpoints, ascending."""
    return [_step(path) for path in _sidecars(folder)]


@dataclass(slots=True)
class Checkpoint:
    """What a trainer is given to save to and resume from; the callables belong to its attempt.

    `keep` is the rule of the sweep file for what remains. With `best`, a checkpoint is due after every report whose
    `score` (higher is better) is above that of all saved before.
    """

    folder: Path
    trial: str
    every_s: float
    keep: str
    progress: Callable[[], tuple[dict[str, float], float]]  # metrics last reported, seconds trained
    is_stopping: Callable[[], bool]
    score: Callable[[Mapping[str, float]], float]
    found: Saved | None = None
    last_s: float = field(default_factory=time.monotonic)
    best: float | None = None  # the highest score saved so far, once it was looked up
    stored: StoredCheckpoints | None = None

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The tensors and the data that an earlier attempt saved last, or None: begin at step 0."""
        return (self.found.tensors, self.found.data) if self.found else None

    def is_due(self) -> bool:
        """Whether to save now: enough time has passed, the run is stopping, or this is the best so far and kept."""
        late = time.monotonic() - self.last_s >= self.every_s
        return late or self.is_stopping() or (self.keep == "best" and self._is_best())

    def save(self, step: int, tensors: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
        """Save the state after `step`, tensors by name and data of JSON. False: stop now, the next run goes on here.

        A disk that is full costs this checkpoint, not the trial.
        """
        metrics, wall_s = self.progress()
        contents = encoded(self.trial, Saved(step, metrics, wall_s, dict(tensors), dict(data)))
        try:
            _write(self.folder, step, contents)
        except OSError as error:
            log(f"no checkpoint after step {step}: {error}")
        else:
            self.best = None
            if self.keep != "all":
                remove(self.folder, but={step, *self._kept()})
        if self.stored is not None:
            self.stored.put(self.trial, step, contents, steps(self.folder))
        self.last_s = time.monotonic()
        goes_on = not self.is_stopping()
        if self.stored is not None and not goes_on:
            self.stored.flush(STOP_S)
        return goes_on

    def clean(self) -> None:
        """The trial has a result: leave what the rule keeps."""
        if self.keep != "all":
            remove(self.folder, but=self._kept())
        if self.stored is not None:
            self.stored.retain(self.trial, steps(self.folder), END_S)

    def _kept(self) -> list[int]:
        if self.keep == "best":
            scores = _scores(self.folder, self.score)
            return [max(scores, key=lambda step: (scores[step], -step))] if scores else []
        return steps(self.folder)[-1:] if self.keep == "last" else []

    def _is_best(self) -> bool:
        if self.best is None:  # asked at every step: the disk is looked at only after a save
            self.best = max(_scores(self.folder, self.score).values(), default=-math.inf)
        return self.score(self.progress()[0]) > self.best


def _scores(folder: Path, score: Callable[[Mapping[str, float]], float]) -> dict[int, float]:
    """Step -> score of the metrics that a checkpoint remembers."""
    scores = {}
    for path in _sidecars(folder):
        with contextlib.suppress(ValueError, LookupError, TypeError, OSError):  # a damaged one has no score
            scores[_step(path)] = score(json.loads(path.read_bytes())["metrics"])
    return scores


def _sidecars(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / FOLDER).glob("step-*.json") if path.is_file())


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _read(sidecar: Path, trial: str) -> Saved:
    head = json.loads(sidecar.read_bytes())
    if head["version"] != VERSION or head["trial"] != trial:
        raise ValueError(f"it is of trial {head['trial']}, version {head['version']}")
    # The tensors are next to it by rule, never at a path from the file: it may come from a stranger.
    path = sidecar.with_suffix(".safetensors")
    tensors = _format(head["tensors"]).load(regular_file.read(path))
    return Saved(int(head["step"]), dict(head["metrics"]), float(head["wall_s"]), dict(tensors), dict(head["data"]))


def _kind(tensors: Mapping[str, Any]) -> str:
    """`numpy` for arrays only, else `torch`; nothing heavy is imported for arrays."""
    return "numpy" if all(type(tensor).__module__ == "numpy" for tensor in tensors.values()) else "torch"


def _format(kind: str) -> Any:
    if kind not in ("numpy", "torch"):
        raise ValueError(f"it holds tensors of {kind}")
    return importlib.import_module(f"safetensors.{kind}")


def _kinds_of(tensors: Mapping[str, Any]) -> str:
    kinds = {name: type(tensor).__name__ for name, tensor in tensors.items() if not hasattr(tensor, "shape")}
    return ", ".join(f"{name!r:.80} ({kind})" for name, kind in kinds.items()) or "tensors of objects"


def _tensor_bytes(tensors: Mapping[str, Any]) -> bytes:
    if _kind(tensors) == "torch":
        torch = importlib.import_module("torch")
        try:
            found = {name: torch.as_tensor(tensor) for name, tensor in tensors.items()}
        except (TypeError, ValueError, RuntimeError):
            wanted = "its tensors are a mapping of names to tensors or arrays, without mappings in it"
            raise ContractError(f"checkpoint.save() got {_kinds_of(tensors)}: {wanted}") from None
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in found.items()}
    return bytes(_format(_kind(tensors)).save(dict(tensors)))
