"""Adding to a run: new values, seeds and configurations, as `run` on an edited file would plan them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sweeper.errors import SpecError
from sweeper.execution.session import Session
from sweeper.execution.steering.order import Order, Refused
from sweeper.ledger.history import read_history
from sweeper.planning.additions import file_digest, widened
from sweeper.planning.configurations import configurations
from sweeper.planning.plan import trials_of
from sweeper.planning.planned_trial import Rerun, planned_trials
from sweeper.planning.trial_factory import TrialFactory
from sweeper.value_text import plural


def addition(session: Session, settings: Mapping[str, str]) -> Order:
    """Plan what is to be added. Raises Refused where it cannot be, or is there already."""
    plan, trainer, sweep_dir = session.queue.plan, session.queue.trainer, session.log.ledger.sweep
    own, file = read_history(sweep_dir), file_digest(plan.sweep)
    earlier = [one.settings for one in own.additions if one.file == file]
    try:
        sweep = widened(plan.sweep, [*earlier, settings])
        points = configurations(sweep, trainer.defaults or {}).points
        configs, trials = trials_of(sweep, trainer, TrialFactory.of(sweep, trainer), points)
    except SpecError as error:
        raise Refused("; ".join(_short(str(problem)) for problem in error.problems)) from None
    new = [trial for trial in trials if trial.key not in session.records]
    if not new:
        raise Refused("the sweep has all of these trials already")
    planned = list(planned_trials(new, own, Rerun.NOTHING, sweep_dir.results, sweep_dir.name))
    counts = Counter(str(one.action) for one in planned)
    text = f"{plural(len(new), 'trial')} added: {', '.join(f'{count} {action}' for action, count in counts.items())}"
    words = " ".join(f"{key}={value}" for key, value in settings.items())
    text += f"; running the unchanged file again keeps them; for another version write {words} into it"
    record = {"added_to": file, "settings": dict(settings)}
    keys = tuple(trial.key for trial in new)
    return Order(text, keys, lambda: session.extend(sweep, configs, planned, own), record)


def _short(problem: str) -> str:
    return " ".join(problem.split())
