"""How the daemons of our own Ray are started: only those needed, out of reach of the signals to our process group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ray._private import node, services

SERVICES = ("start_api_server", "start_monitor", "start_log_monitor")


@contextlib.contextmanager
def detached() -> Iterator[None]:
    """While the block runs, every process that Ray starts here gets a session of its own.

    `timeout`, `srun`, systemd and a terminal send their signals to the whole process group: the daemons would end
    before the driver that they serve. Should the driver be killed, the kernel and the reaper end them.
    """
    popen = services.ConsolePopen

    def start(*args: Any, **options: Any) -> Any:
        return popen(*args, start_new_session=True, **options)

    services.ConsolePopen = start
    try:
        yield
    finally:
        services.ConsolePopen = popen


@contextlib.contextmanager
def without_services() -> Iterator[None]:
    """A Ray started now has no API server, autoscaler and log monitor, which a run on one machine never asks.

    ``ray.init`` has no switch for them, and waits for the first before it goes on. A later Ray without these methods
    starts as it likes.
    """
    methods = {name: getattr(node.Node, name) for name in SERVICES if hasattr(node.Node, name)}
    try:
        for name in methods:
            setattr(node.Node, name, lambda *args, **kwargs: None)
        yield
    finally:
        for name, method in methods.items():
            setattr(node.Node, name, method)
