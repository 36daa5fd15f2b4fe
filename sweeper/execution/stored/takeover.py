"""Taking a sweep over from its storage: `sweeper run FILE --from URL` on another machine."""

from __future__ import annotations

import os
from collections.abc import Callable

from sweeper.errors import Problem, UsageError
from sweeper.execution.stored import trial_archives
from sweeper.execution.stored.storage_lock import wait_until_free
from sweeper.execution.stored.stored_files import read_files
from sweeper.execution.worker.storage import Storage, below
from sweeper.execution.worker.uploads import one_line
from sweeper.ledger import atomic, jsonl, lock
from sweeper.ledger.history import audit
from sweeper.ledger.paths import SweepDir


def pull(url: str, sweep: SweepDir, show: Callable[[str], None], *, take_over: bool) -> bool:
    """Copy a stored sweep into the results folder, where it is absent or an earlier state of the same sweep.

    Returns whether there was something to copy. Raises UsageError where there is none, where it is damaged, and where
    the folder has other results; LedgerError where a driver that is alive has it, here or elsewhere.
    """
    place = below(url, sweep.name)
    try:
        storage = Storage.at(place)
        if not take_over:
            wait_until_free(storage, show)
        files = read_files(storage)
        ledger = files.pop(sweep.ledger.name, b"")
        if not ledger:
            hint = "the address is that of `storage:` in the sweep file, without the sweep's name"
            raise UsageError(Problem("no sweep is stored here", place, "--from", sweep.name, hint=hint))
        if not _is_wanted(ledger, sweep, place):
            return False
        _write(storage, files, ledger, sweep, show)
    except (OSError, ValueError) as error:
        message = f"the stored sweep cannot be copied here: {one_line(error)}"
        raise UsageError(Problem(message, place, "--from")) from None
    return True


def _is_wanted(ledger: bytes, sweep: SweepDir, place: str) -> bool:
    """Whether the stored ledger has more than the folder's. Raises UsageError where neither begins with the other."""
    here = jsonl.contents(sweep.ledger)
    if ledger.startswith(here):
        return ledger != here
    if here.startswith(ledger):
        return False
    hint = "name another folder with --results; to continue what is here, leave --from out and use another storage"
    message = "this folder has other results of a sweep of this name"
    raise UsageError(Problem(message, str(sweep.folder), "--from", place, "an absent or empty folder", hint))


def _write(
    storage: Storage, files: dict[str, bytes], ledger: bytes, sweep: SweepDir, show: Callable[[str], None]
) -> None:
    """The ledger comes last: without it the folder counts as empty."""
    sweep.folder.mkdir(parents=True, exist_ok=True)
    handle = lock.take(sweep.lock)
    try:
        damaged = trial_archives.fetch(storage, sweep.trial)
        for name, content in (*files.items(), (sweep.ledger.name, ledger)):
            path = sweep.path(*name.split("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.replaced(path) as temporary:
                temporary.write_bytes(content)
    finally:
        os.close(handle)
    for problem in damaged:
        show(problem)
    if breaks := audit(sweep).breaks:
        show(f"line {breaks[0]} of the stored ledger does not follow the one before: `sweeper verify --audit`")
