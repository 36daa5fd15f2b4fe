"""What the tests of the Python calls share: runs without MLflow, whose own tests have it, and no kept functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sweeper.execution import run
from sweeper.tracking.trial_run import Mirrored
from sweeper.trainer import given


class NoMirror:
    """Takes everything and writes nothing."""

    def __init__(self, *_: object) -> None: ...
    def start(self, records: object) -> None: ...
    def push(self, trial: object, event: object) -> None: ...
    def finish(self, attachments: object) -> None: ...
    def hurry(self) -> None: ...
    def close(self, timeout_s: float) -> Mirrored:
        return Mirrored(0, 0, "")


@pytest.fixture(autouse=True)
def _without_mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(run, "Mirror", NoMirror)
    before = dict(given._GIVEN.functions)
    yield
    given._GIVEN.functions.clear()
    given._GIVEN.functions.update(before)
