"""Somebody at another terminal, who acts at moments chosen to the event."""

from __future__ import annotations

from collections.abc import Callable

from sweeper.execution.session import Session
from sweeper.execution.steering.inbox import Inbox
from sweeper.ledger import commands
from sweeper.ledger.commands import Answer, Command
from sweeper.trial import Event, Trial
from tests.execution.runs import Notes


class Hand:
    """Gives commands to a session of this process, and has them taken up at once."""

    def __init__(self, session: Session) -> None:
        self.inbox = Inbox(session, lambda text: self.said.append(text))
        self.sweep, self.run = session.log.ledger.sweep, self.inbox.run
        self.said: list[str] = []
        self.count = 0

    def command(self, action: str, **fields: object) -> Command:
        self.count += 1
        given: dict[str, object] = {"who": "ann@here", "reason": "too slow", "run": self.run, "at": self.count}
        return Command(f"{self.count:032x}", action=action, **given | fields)  # type: ignore[arg-type]

    def __call__(self, action: str, **fields: object) -> Answer:
        """Drop a command, let it be taken up, and fetch the answer."""
        command = self.command(action, **fields)
        commands.drop(self.sweep, command)
        self.inbox.look()
        answer = commands.answer_to(self.sweep, command.id)
        assert answer is not None
        commands.withdraw(self.sweep, command.id)
        assert list(self.sweep.commands.iterdir()) == []
        return answer


class When(Notes):
    """Calls `act` at the `count`-th event of a kind."""

    def __init__(self, kind: type[Event], count: int, act: Callable[[], object]) -> None:
        super().__init__()
        self.kind, self.left, self.act = kind, count, act

    def push(self, trial: Trial, event: Event) -> None:
        super().push(trial, event)
        self.left -= isinstance(event, self.kind)
        if isinstance(event, self.kind) and self.left == 0:
            self.act()
