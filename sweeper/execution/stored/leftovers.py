"""What trials left in the storage because it did not answer when they ended."""

from __future__ import annotations

from collections.abc import Iterable

from sweeper.spec.sweep import Sweep
from sweeper.trial import Record


def tidy(sweep: Sweep, records: Iterable[Record]) -> str:
    """Remove the stored checkpoints of trials with a result. Returns what is wrong, or ""."""
    from sweeper.execution.worker.storage import Storage, below  # here: it imports pyarrow
    from sweeper.execution.worker.stored_checkpoints import remove_ended

    try:
        ended = {record.trial.key for record in records if record.state.is_result}
        remove_ended(Storage.at(below(sweep.storage, sweep.name)), ended)
    except (OSError, ValueError) as error:
        return f"checkpoints of trials that have ended may be left in the storage: {error}"[:300]
    return ""
