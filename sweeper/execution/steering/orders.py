"""What a command means for a session: whether it can be done, what it will do in words, and doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sweeper.errors import Exit, SweeperError
from sweeper.execution.session import Session
from sweeper.execution.steering.additions import addition
from sweeper.execution.steering.order import Order, Refused
from sweeper.execution.worker.job import StopOrder
from sweeper.ledger.commands import Command
from sweeper.spec.load import load_spec
from sweeper.spec.space.expressions import UnknownName, condition
from sweeper.spec.space.tokens import ExpressionError
from sweeper.spec.sweep import ADAPTIVE
from sweeper.trial import Record, State, Value
from sweeper.value_text import plural

OPEN = (State.PENDING, State.RUNNING)
SETTINGS = ("budget.wall", "budget.device_hours", "budget.trials", "max_concurrent")


def order(session: Session, command: Command) -> Order:
    """What a command would do now. Raises Refused."""
    if session.is_done():
        raise Refused("the run is ending: no trial waits or trains any more")
    if session.stop.deadline is not None:
        raise Refused(f"the run is stopping already ({session.stop.why})")
    if command.action == "stop":
        return _stop_trials(session, command) if command.trial or command.where else _stop(session, command)
    if command.action == "set":
        return _set(session, command.settings)
    if command.action == "add":
        return addition(session, command.settings)
    return _pause(session, command.action == "pause")


def _stop(session: Session, command: Command) -> Order:
    running = session.running
    text = f"stopping: no new trial starts, {running} running stop at their next checkpoint, or end, within a minute"
    hint = "Run the sweep again to continue."
    why = f"{command.who} asked for it" + (f" ({command.reason})" if command.reason else "")

    def act() -> None:
        session.stop.stop_running(Exit.TERMINATED, why, running, hint)

    return Order(f"{text}; run the sweep again to continue", (), act)


def _stop_trials(session: Session, command: Command) -> Order:
    chosen = _trial(session, command.trial) if command.trial else list(_matching(session, command.where))
    keys = [record.trial.key for record in chosen if record.state in OPEN]
    inside = [key for key in keys if (pack := session.active.with_trial(key)) and key not in pack.stopped]
    waiting = [job.trial for job in session.queue.waiting if job.trial in set(keys)]
    before = Counter(str(record.state) for record in chosen if record.state not in OPEN)
    parts = [f"{plural(len(waiting), 'waiting trial')} stopped"] if waiting else []
    parts += [f"{plural(len(inside), 'trial')} in a pack will stop at the next report"] if inside else []
    parts += [f"{count} ended before ({state})" for state, count in before.items()]
    reason = _by_hand(command)

    def act() -> None:
        for key in inside:
            pack = session.active.with_trial(key)
            assert pack is not None, "it was in one, and the session is locked"
            pack.verdicts[key] = StopOrder(State.STOPPED, reason)
        session.stop_waiting(waiting, reason)

    return Order("; ".join(parts) or "these trials were stopped before", (*waiting, *inside), act)


def _trial(session: Session, key: str) -> list[Record]:
    if key not in session.records:
        raise Refused(f"the run has no trial {key}")
    return [session.records[key]]


def _matching(session: Session, where: str) -> Iterator[Record]:
    """The trials for which an expression holds, of their settings, seed and last report."""
    try:
        holds = condition(where).holds
    except ExpressionError as error:
        raise Refused(f"{error} (in {where})") from None
    found, unknown = 0, ""
    for record in session.records.values():
        try:
            if holds(_values(record)):
                found += 1
                yield record
        except UnknownName as error:
            unknown = str(error.args[0])
        except ExpressionError as error:
            raise Refused(f"{error} (in {where})") from None
    if not found:
        missing = f": {unknown} is no setting, and no metric that it has reported" if unknown else ""
        raise Refused(f"no trial has {where}{missing}")


def _values(record: Record) -> Mapping[str, Value]:
    last = record.reports[-1].metrics if record.reports else {}
    metrics = record.ended.metrics if record.ended else last
    return {**metrics, **record.trial.params, "seed": record.trial.seed}


def _pause(session: Session, paused: bool) -> Order:
    if session.paused is paused:
        return Order("the run is paused already" if paused else "the run is not paused")
    waiting = plural(len(session.queue), "trial")
    text = f"resumed: {waiting} waiting"
    if paused:
        text = f"paused: no new trial starts, {session.running} running go on to their end, {waiting} waiting"
    return Order(text, (), lambda: setattr(session, "paused", paused))


def _set(session: Session, settings: Mapping[str, str]) -> Order:
    """New limits for this run; they are read as those of a sweep file are."""
    names = {key: key.removeprefix("resources.") for key in settings}
    for key, name in names.items():
        if name not in SETTINGS:
            raise Refused(f"{key} cannot change while the sweep runs; these can: {', '.join(SETTINGS)}")
    full = {"max_concurrent": "resources.max_concurrent"}
    overrides = [f"{full.get(names[key], names[key])}={value}" for key, value in settings.items()]
    sweep = session.queue.plan.sweep
    try:
        read = load_spec(session.log.ledger.sweep.spec, overrides)
    except SweeperError as error:
        raise Refused(str(error)) from None
    if "budget.trials" in names.values() and sweep.method not in ADAPTIVE:
        raise Refused("budget.trials can change while a search runs; these trials were planned when the run began")
    fields = {"budget.wall": "wall_s", "budget.device_hours": "device_s", "budget.trials": "trials"}
    changed = {fields[name]: getattr(read.budget, fields[name]) for name in names.values() if name in fields}
    packs = read.resources.max_concurrent if "max_concurrent" in names.values() else session.max_concurrent
    most = session.most_concurrent
    if most is not None and "max_concurrent" in names.values() and (packs is None or packs > most):
        raise Refused(f"this run has room for at most {plural(most, 'pack')} at once; a new run may have more")

    def act() -> None:
        session.limit(replace(sweep.budget, **changed), packs)

    return Order("set " + ", ".join(f"{names[key]}={value}" for key, value in settings.items()), (), act)


def _by_hand(command: Command) -> str:
    return f"stopped by {command.who}" + (f": {command.reason}" if command.reason else "")
