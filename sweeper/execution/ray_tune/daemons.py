"""How the daemons of our own Ray are started: out of reach of the signals to our process group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ray._private import services


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
