"""The plan of a run, as `sweeper plan` shows it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeper.cli.terminal.console import duration, heading
from sweeper.planning.plan import Plan, head_and_tail
from sweeper.planning.planned_trial import Action
from sweeper.trial import show


def print_plan(console: Console, plan: Plan) -> None:
    """The plan for a person: counts, what each `where` removed, the first and last trials, the price."""
    sweep = plan.sweep
    total = f"{plan.configs} configurations x {len(sweep.seeds)} seeds = {len(plan.items)} trials"
    console.print(
        Text.assemble((sweep.name, "bold"), f"  {sweep.method}: ", total if plan.complete else _open_ended(plan))
    )
    for clause, count in plan.removed_by_where.items():
        console.print(f"  where {clause!r} removed {count} configurations")
    for action in Action:
        if count := len(plan.of(action)):
            console.print(f"  {action:<14}{count}")
    if len(plan.items) > 0:
        console.print(_plan_table(plan))
    estimate = plan.estimate
    if estimate.seconds is None:
        console.print(f"  no estimate: {estimate.reason}")
    elif plan.to_run:
        hours = estimate.device_hours or 0.0
        disk = (estimate.disk_bytes or 0) / 1e6
        cost = f"about {duration(estimate.seconds)}, {hours:.2f} device-hours, {disk:.1f} MB"
        console.print(f"  estimate: {cost} ({estimate.reason})")


def _open_ended(plan: Plan) -> str:
    """Why the list of trials is not complete."""
    end = f", up to {plan.sweep.budget.trials} trials" if plan.sweep.budget.trials else ""
    if plan.sweep.method in ("random", "qmc"):
        return "open-ended: add budget.trials to give it an end"
    return f"the list is not complete: the searcher adds trials as results come in{end}"


def _plan_table(plan: Plan) -> Table:
    names = list(dict.fromkeys(name for item in plan.items[:1000] for name in item.trial.varied))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("trial", *(heading(name, names) for name in names), "seed", "action"):
        table.add_column(name, overflow="fold")
    for item in head_and_tail(list(plan.items), 8):
        if item is None:
            table.add_row(*["..."] * (len(names) + 3))
            continue
        values = [show(item.trial.varied[n]) if n in item.trial.varied else "-" for n in names]
        action = f"{item.action}: {item.why}" if item.why else str(item.action)
        table.add_row(item.trial.key[:8], *values, str(item.trial.seed), action)
    return table
