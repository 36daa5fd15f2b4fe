"""Who drives a sweep that is in storage: one driver at a time, across machines.

    URL/SWEEP/driver.json    the driver, who writes it again every few seconds
    URL/SWEEP/claims/ID      somebody who is about to become the driver

Storage has no lock that ends with its process. A driver counts as alive while its file is renewed, by the clock of the
storage; one that died on this machine is known to be dead at once. Nor can pyarrow write a file only where there is
none. So who wants the lock writes a claim of its own, then looks for other claims, then for a driver, and becomes it
only where it finds neither: of two at once, the one that looks last sees the other's claim, or its `driver.json`, which
is there before its claim goes. Where both see both, the one of the lower ID stays. For that readers have to see what
was written before, as in S3 and GCS.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from sweeper.errors import LedgerError, Problem
from sweeper.execution.worker.storage import Storage

NAME, CLAIMS, CLOCK = "driver.json", "claims", "clock"
RENEW_S, LEASE_S = 10.0, 60.0  # a driver that did not renew its file for LEASE_S is gone, and so is a claim
CLAIM_S = 15.0  # from a claim to the last look at others': later it could count as gone before the lock is written
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class StoredDriver:
    """A driver: which process of which machine, and the words for people."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    machine: str = field(default_factory=lambda: _machine())
    pid: int = field(default_factory=os.getpid)
    text: str = field(default_factory=lambda: f"process {os.getpid()} on {socket.gethostname()} since {_now()}")

    @property
    def is_known_dead(self) -> bool:
        """Whether it was a process of this machine which is no longer there, or an earlier run of this one."""
        is_here = bool(self.machine) and self.machine == _machine()
        return is_here and (self.pid == os.getpid() or not psutil.pid_exists(self.pid))


class StorageLock:
    """The lock of a run; `lost_to` names who took it over, "" while it is ours. A thread renews it."""

    def __init__(self, storage: Storage) -> None:
        self.lost_to = ""
        self._storage, self._driver = storage, StoredDriver()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="sweeper-storage-lock", daemon=True)

    def take(self, show: Callable[[str], None], *, take_over: bool) -> None:
        """Take it once it is free. Raises LedgerError naming a driver that is alive, and OSError."""
        if take_over:
            self._write()
        else:
            self._become_driver(show)
        self._thread.start()

    def _become_driver(self, show: Callable[[str], None]) -> None:
        wait_until_free(self._storage, show)
        while not self._became_driver():
            time.sleep(random.uniform(0.0, LOOK_S))  # somebody else is about to: then it is the driver
            wait_until_free(self._storage, show)

    def _became_driver(self) -> bool:
        """Write the lock, unless somebody else has it or is about to. Raises OSError."""
        mine, began = f"{CLAIMS}/{self._driver.id}", time.monotonic()
        self._storage.write(mine, self._content())
        try:
            now = self._storage.modified(mine)
            while time.monotonic() - began < CLAIM_S:
                others = self._claims_of_others(now)
                if any(other < self._driver.id for other in others):
                    return False
                if not others:
                    is_free = not _alive(self._storage, NAME, now) and time.monotonic() - began < CLAIM_S
                    if is_free:
                        self._write()
                    return is_free
                time.sleep(LOOK_S / 10)  # the others give way
        finally:
            self._storage.remove(mine)
        return False

    def is_ours(self) -> bool:
        """Whether no other driver has taken it over. Raises OSError."""
        found = _read(self._storage, NAME)
        if found is not None and found.id != self._driver.id:
            self.lost_to = found.text
        return not self.lost_to

    def release(self) -> None:
        """Free it, if it is ours; a storage that does not answer frees it by time."""
        self._over.set()
        with contextlib.suppress(OSError):
            if (found := _read(self._storage, NAME)) is not None and found.id == self._driver.id:
                self._storage.remove(NAME)

    def _claims_of_others(self, now: float) -> list[str]:
        """The other claims; those of somebody who is gone are removed."""
        others = [name for name in self._storage.names(CLAIMS) if name != self._driver.id]
        alive = [name for name in others if _alive(self._storage, f"{CLAIMS}/{name}", now)]
        for name in set(others) - set(alive):
            self._storage.remove(f"{CLAIMS}/{name}")
        return alive

    def _content(self) -> bytes:
        return json.dumps(asdict(self._driver)).encode()

    def _write(self) -> None:
        self._storage.write(NAME, self._content())

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            with contextlib.suppress(OSError):  # tried again until it answers
                if not self.is_ours():
                    return
                if not self._over.is_set():
                    self._write()


def wait_until_free(storage: Storage, show: Callable[[str], None]) -> None:
    """Return once no driver has the sweep: one that seems dead is watched until it is sure.

    Raises LedgerError for one that is alive, and OSError.
    """
    first = 0.0
    while found := _alive(storage, NAME):
        driver, renewed = found
        if not first:
            first = renewed
            show(f"the storage names a driver, {driver.text}: waiting for up to {LEASE_S:.0f} s to see if it is gone")
        if renewed > first:
            hint = "wait for it, or stop it; if its machine is gone for good, add --take-over"
            raise LedgerError(Problem("this sweep is being run already", storage.root, found=driver.text, hint=hint))
        time.sleep(LOOK_S)


def _alive(storage: Storage, name: str, now: float | None = None) -> tuple[StoredDriver, float] | None:
    """The driver that a file names and when it was written, where that driver may be alive. Raises OSError.

    `now` is by the clock of the storage; None asks for it.
    """
    driver = _read(storage, name)
    if driver is None or driver.is_known_dead:
        return None
    try:
        written = storage.modified(name)
    except FileNotFoundError:
        return None
    is_gone = (_clock(storage) if now is None else now) - written > LEASE_S
    return None if is_gone else (driver, written)


def _read(storage: Storage, name: str) -> StoredDriver | None:
    try:
        return StoredDriver(**json.loads(storage.read(name)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return StoredDriver(id="", machine="", pid=0, text="a driver whose name cannot be read")


def _clock(storage: Storage) -> float:
    """What time it is for the storage."""
    name = f"{CLOCK}-{uuid.uuid4().hex}"
    storage.write(name, b"")
    try:
        return storage.modified(name)
    finally:
        storage.remove(name)


def _machine() -> str:
    """This machine, as far as it is known for sure; "" where it is not."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
