"""A training whose numbers went out of range: not a fault of the program, but a result of its settings."""

from __future__ import annotations

from collections.abc import Mapping


class Diverged(FloatingPointError):
    """A loss term or a metric became infinite or NaN: names the step and the term, keeps the last finite metrics.

    >>> raise Diverged(300, "posterior KL", {"nll": 2.5})
    Traceback (most recent call last):
    sweeper.cvae.diverged.Diverged: posterior KL is not finite at step 300
    """

    def __init__(self, step: int, term: str, last_finite_metrics: Mapping[str, float]) -> None:
        super().__init__(step, term, dict(last_finite_metrics))  # its own arguments: it must survive pickling
        self.step, self.term, self.last_finite_metrics = step, term, dict(last_finite_metrics)

    def __str__(self) -> str:
        return f"{self.term} is not finite at step {self.step}"
