"""A worker process of Ray: runs a pack and keeps the mailbox between it and the driver."""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import datetime
from functools import partial
from typing import Any

import ray
from ray import tune

from sweeper.execution.ray_tune import kept_events
from sweeper.execution.ray_tune.mailbox import Mailbox
from sweeper.execution.runner import Orders, Pack
from sweeper.execution.worker.pack import run as run_pack
from sweeper.trainer import planned_source
from sweeper.trainer.planned_source import PlannedSource


class PackTrainable(tune.Trainable):  # type: ignore[misc]
    """Runs a pack in a thread of a worker process; each `step` carries the events since the last one to the driver."""

    def setup(self, config: dict[str, Any], code: PlannedSource | None = None) -> None:
        if not ray.get_gpu_ids():  # on a cluster Ray leaves such a worker all GPUs of its node
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        planned_source.use(code or {})
        with contextlib.suppress(OSError):  # a node of a cluster may not have this folder
            os.chdir(config["folder"])  # Tune has just moved to a folder of its own
        planned_source.allow_imports(config["path"])
        self.pack: Pack = config["pack"]
        self.mailbox: Mailbox | None = None

    def step(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if self.mailbox is None:
            # Not in setup: Tune sets up an actor for a trial and then may give that trial to a free one instead.
            self.mailbox = Mailbox(partial(kept_events.keep, self.pack.number))
            threading.Thread(target=_work, args=(self.pack, self.mailbox), daemon=True).start()
            result["handle"] = ray.cloudpickle.dumps(ray.get_runtime_context().current_actor)
        events, free = self.mailbox.received()
        if self.mailbox.broken:
            raise RuntimeError(self.mailbox.broken)
        sent = [event for event in events if event is not None]
        return result | {"steps": self.mailbox.steps_made(), "events": sent, "free": free, "done": None in events}

    def deliver(self, orders: Orders) -> None:
        """The driver calls this, between two steps."""
        if self.mailbox is not None:
            self.mailbox.deliver(orders)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        if self.mailbox is not None:
            self.mailbox.cancelled.set()

    def get_auto_filled_metrics(self, now: datetime | None = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # Tune would send the whole pack back with every result.
        return {**super().get_auto_filled_metrics(now, *args, **kwargs), "config": {}}


def _work(pack: Pack, mailbox: Mailbox) -> None:
    try:
        run_pack(pack.jobs, mailbox, pack.size)
    except BaseException as error:  # ours, not the trainer's: the driver must learn that nothing more will come
        mailbox.broken = repr(error)
    mailbox.events.put(None)
