"""Takes the commands of a running sweep up, has them obeyed, written down and answered."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sweeper.errors import LedgerError, SweeperError
from sweeper.execution.session import Session
from sweeper.execution.steering.order import Order, Refused
from sweeper.execution.steering.orders import order
from sweeper.ledger import commands, lock
from sweeper.ledger.commands import Answer, Command

POLL_S = 0.25  # between looks: a command is answered within two seconds, a shared folder is spared


class Inbox:
    """The commands to a session. While it is entered, a thread looks for them: a trainer in this process takes long.

    A command is written to the ledger before it is obeyed. Who repeats one gets the first answer again.
    """

    def __init__(self, session: Session, show: Callable[[str], None]) -> None:
        self.session, self.show = session, show
        self.ledger = session.log.ledger
        self.run = lock.holder(self.ledger.sweep.lock)
        self.answers: dict[str, Answer] = {}
        self.ignored: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sweeper-commands", daemon=True)

    def __enter__(self) -> Inbox:
        commands.clear(self.ledger.sweep)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What comes too late is answered, too: its sender must not wait for nothing."""
        self._over.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Obey what is there, in the order in which it was given."""
        for name, command in commands.waiting(self.ledger.sweep):
            if command is None or command.run != self.run:
                self._ignore(name, "of an earlier run" if command else "that is damaged")
                continue
            found = self.answers.get(name)
            if found is None:
                found = self.answers[name] = self._obey(command)
                self.show(f"{command.text} ({command.who}): {found.text}")
            try:
                commands.answer(self.ledger.sweep, name, found)
            except LedgerError as error:  # its sender waits until its time is over; the sweep goes on
                self._complain(name, str(error))

    def _watch(self) -> None:
        while not self._over.wait(POLL_S):
            self.look()

    def _obey(self, command: Command) -> Answer:
        with self.session.lock:
            try:
                made = order(self.session, command)
            except Refused as refusal:
                return Answer(False, str(refusal))
            try:
                self._write_down(command, made)
                made.act()
            except SweeperError as error:  # the runner's next event meets it, too
                return Answer(False, str(error))
        return Answer(True, made.text, made.trials)

    def _write_down(self, command: Command, made: Order) -> None:
        entry = {"id": command.id, "command": command.text, "asked_at": command.at, "who": command.who}
        entry |= {"reason": command.reason, "did": made.text, "trials": list(made.trials)}
        self.ledger.command({**entry, **made.record})

    def _ignore(self, name: str, why: str) -> None:
        self._complain(name, f"a command {why} was ignored")
        commands.discard(self.ledger.sweep, name)

    def _complain(self, name: str, text: str) -> None:
        if name not in self.ignored:  # what cannot be removed is met again and again
            self.ignored.add(name)
            self.show(text)
