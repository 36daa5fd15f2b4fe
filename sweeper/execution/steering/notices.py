"""Notices to people: a command of the sweep file, run at the end, at failures in a row and at a decided claim."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from sweeper.errors import Exit, SweeperError
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.spec.sweep import Sweep
from sweeper.trial import Ended, Event, Record, State, Trial
from sweeper.value_text import plural

LIMIT_S = 30.0  # for the command; then it is ended
END_S = 35.0  # how long the end of a run waits for it


class Notices:
    """Runs `notify.command`, without a shell, in a thread of its own: one at a time, in order.

    The command gets a JSON object on its standard input, and its `text` as the environment variable SWEEPER_NOTICE.
    Whatever becomes of it, the sweep goes on.
    """

    def __init__(self, sweep: Sweep, folder: Path, show: Callable[[str], None]) -> None:
        self.sweep, self.folder, self.show = sweep, folder, show
        self.place = Path.cwd()  # a trainer may change it
        self.failures = 0
        self.waiting: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="sweeper-notices", daemon=True)

    def __enter__(self) -> Notices:
        if self.sweep.notify.command:
            self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.thread.is_alive():
            return
        if error is not None:
            code = error.exit_code if isinstance(error, SweeperError) else Exit.INTERNAL
            self._add("end", f"{self.sweep.name} broke off: {error}", exit_code=int(code))
        self.waiting.put(None)
        self.thread.join(END_S)

    def push(self, trial: Trial, event: Event) -> None:
        """A watcher of the run's events."""
        if not isinstance(event, Ended) or event.retry or event.origin or event.state is State.STOPPED:
            return
        self.failures = self.failures + 1 if event.state is State.FAILED else 0
        if self.failures == self.sweep.notify.failures:
            text = f"{self.sweep.name}: {plural(self.failures, 'trial')} in a row failed"
            self._add("failures", text, trial=trial.key, reason=event.reason)

    def decided(self, claim: str, outcome: str, seeds: int) -> None:
        """A claim was decided before the end of the run."""
        text = f'{self.sweep.name}: the claim "{claim}" is decided: {outcome}, {plural(seeds, "seed")}'
        self._add("claim", text, claim=claim, outcome=outcome, seeds=seeds)

    def ended(self, code: Exit, why: str, records: Sequence[Record]) -> None:
        """The run is over, and everything is written."""
        counts = Counter(str(record.state) for record in records)
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        text = f"{self.sweep.name} {f'stopped, {why}' if why else 'ended'}: {states} (exit code {int(code)})"
        claims = self._judged() if self.thread.is_alive() else {}
        text += "".join(f"; {name}: {outcome}" for name, outcome in claims.items())
        self._add("end", text, exit_code=int(code), stopped=why, states=dict(counts), claims=claims)

    def _judged(self) -> dict[str, str]:
        """The claims of the file with their outcomes; of fixed seeds they are decided at the end only."""
        if not self.sweep.claims:
            return {}
        from sweeper.analysis.claims.verify import judge_sweep  # here: the statistics take a second to import

        try:
            known = read_history(SweepDir(self.folder.parent, self.sweep.name))
            verdicts = judge_sweep(self.sweep.claims, known, self.folder, self.sweep.looks)
        except SweeperError as error:
            self.show(str(error))
            return {}
        return {verdict.name: verdict.outcome for verdict in verdicts if not verdict.replaced}

    def _add(self, event: str, text: str, **more: object) -> None:
        known = {"sweep": self.sweep.name, "results": str(self.folder), "at": time.time()}
        self.waiting.put({"schema_version": 1, "event": event, "text": text, **known, **more})

    def _work(self) -> None:
        while (notice := self.waiting.get()) is not None:
            if problem := self._send(notice):
                self.show(f"notify.command: {problem}")

    def _send(self, notice: dict[str, object]) -> str:
        """Run the command; returns what is wrong, or ""."""
        env = {**os.environ, "SWEEPER_NOTICE": str(notice["text"]).replace("\0", "")}
        try:
            process = subprocess.Popen(
                self.sweep.notify.command,
                cwd=self.place,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return str(error)
        with process:
            try:
                _, said = process.communicate(json.dumps(notice).encode(), LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return f"ended after {LIMIT_S:.0f} s"
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        return f"exit code {process.returncode} {' '.join(last)[:200]}" if process.returncode else ""
