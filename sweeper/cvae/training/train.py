"""The two entry points: train one trial, or a pack of trials as one program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.cvae.diverged import Diverged
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.protocols import CheckpointStore, PackMember

__all__ = ["Diverged", "train", "train_pack"]

Report = Callable[[int, Mapping[str, float]], object]


def train(
    params: Mapping[str, object],
    report: Report,
    *,
    directory: Path | None = None,
    checkpoint: CheckpointStore | None = None,
) -> dict[str, float]:
    """Trains one model and returns its final metrics, which are also the last reported.

    ``params``: flat dotted settings (see ``config.DEFAULTS``) and ``seed``. ``report(step, metrics)`` is called every
    ``train.report_every`` steps and at the end; what it raises ends the training. ``directory`` receives the tables
    and the model. ``checkpoint``: where to go on from, and where to keep the state (see
    :mod:`sweeper.cvae.training.protocols`); on a CPU a resumed training ends with the same bits.
    Raises ValueError for bad settings and :class:`Diverged` when a loss is not finite.
    """
    alone = _Alone(params, report, directory, checkpoint)
    train_pack(_OneTrial([alone]))
    return alone.metrics


train.train_pack = train_pack  # type: ignore[attr-defined]


@dataclass(slots=True)
class _Alone:
    """A pack's only member, whose end is that of a function: a value, or an exception."""

    params: Mapping[str, object]
    to: Report
    directory: Path | None
    checkpoint: CheckpointStore | None
    metrics: dict[str, float] = field(default_factory=dict)

    def progress(self, step: int) -> None:
        """No one watches."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        self.metrics = dict(metrics)
        self.to(step, metrics)
        return True

    def finish(self, metrics: Mapping[str, float]) -> None:
        self.metrics = dict(metrics)

    def fail(self, error: Exception) -> None:
        raise error


@dataclass(slots=True)
class _OneTrial:
    waiting: list[PackMember]
    size: int | None = 1

    def join(self, count: int) -> Iterable[PackMember]:
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def give_back(self, members: Iterable[PackMember]) -> None:
        raise RuntimeError("a single trial cannot be given back")
