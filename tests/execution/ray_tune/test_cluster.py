"""How large a Ray of our own is; test_runner.py runs on one."""

from __future__ import annotations

import pytest

from sweeper.execution.ray_tune import cluster
from sweeper.execution.runner import PackResources


@pytest.mark.parametrize(
    ("share", "gpus", "cores"),
    [
        (PackResources(1, None, "", None), 0, 16),
        (PackResources(2, 0, "", 3), 0, 6),
        (PackResources(0.5, 0, "", 3), 0, 2),
        (PackResources(1, None, "", None), 1, 1),
        (PackResources(2, 0.5, "", None), 2, 8),
        (PackResources(4, 0.1, "", None), 1, 16),
        (PackResources(16, None, "", 1), 0, 16),
    ],
)
def test_ray_starts_no_more_workers_than_packs_can_use(
    share: PackResources, gpus: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "cpus_here", lambda: 16)
    monkeypatch.setattr(cluster, "gpus_here", lambda: gpus)
    assert cluster._cores(share) == cores
