"""Events of a worker that outlive it: a trial that has ended stays so, although its process dies a millisecond later.

A worker's events reach the driver with the next result that Tune takes from it; a process that dies before takes them
along. So the events that the driver is not known to have are put into Ray's key-value store whenever a trial ends: one
call to Ray's head, below a millisecond, which any node can make.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import ray
from ray.experimental import internal_kv

from sweeper.trial import Event


def keep(pack: int, first: int, events: Sequence[Event]) -> None:
    """In a worker: keep the events of a pack that the driver may not have; `first` is the number of the first one."""
    internal_kv._internal_kv_put(_key(pack), pickle.dumps((first, list(events))), overwrite=True)


def lost_events(pack: int, received: int) -> list[Event]:
    """In the driver: what a pack sent that never arrived, when `received` events did."""
    kept = internal_kv._internal_kv_get(_key(pack))
    first, events = pickle.loads(kept) if kept else (received, [])
    return list(events[max(received - first, 0) :])


def forget(pack: int) -> None:
    """In the driver: the pack is over."""
    internal_kv._internal_kv_del(_key(pack))


def _key(pack: int) -> bytes:
    return f"sweeper:{ray.get_runtime_context().get_job_id()}:{pack}".encode()
