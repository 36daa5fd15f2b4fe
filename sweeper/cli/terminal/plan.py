"""The plan of a run, as `sweeper plan` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sweeper.cli.terminal.console import heading
from sweeper.cli.terminal.fitted import FittedColumn, fitted_table
from sweeper.planning.plan import Plan
from sweeper.planning.planned_trial import Action, PlannedTrial
from sweeper.value_text import duration, plural, show

if TYPE_CHECKING:
    from sweeper.analysis.claims.outlook import ClaimOutlook


def print_plan(console: Console, plan: Plan, claims: Sequence[ClaimOutlook] = ()) -> None:
    """The plan for a person: counts, what each `where` removed, the first and last trials, the cost, the claims."""
    sweep = plan.sweep
    counts = plural(plan.configs, "configuration"), plural(len(sweep.seeds), "seed"), plural(len(plan.items), "trial")
    total = "{} x {} = {}".format(*counts)
    console.print(
        Text.assemble((sweep.name, "bold"), f"  {sweep.method}: ", total if plan.complete else _open_ended(plan))
    )
    for clause, count in plan.removed_by_where.items():
        console.print(f"  where {clause!r} removed {plural(count, 'configuration')}")
    if sweep.looks:
        console.print(f"  {_looks_text(plan)}")
    for action in Action:
        if count := len(plan.of(action)):
            console.print(f"  {action:<14}{count}")
    if len(plan.items) > 0:
        _print_trials(console, plan)
    estimate = plan.estimate
    if estimate.seconds is None:
        console.print(f"  no estimate: {estimate.reason}")
    elif plan.to_run:
        hours = estimate.device_hours or 0.0
        disk = (estimate.disk_bytes or 0) / 1e6
        cost = f"about {duration(estimate.seconds)}, {hours:.2f} device-hours, {disk:.1f} MB"
        console.print(f"  estimate: {cost} ({estimate.reason})")
    if claims:
        from sweeper.analysis.claims.outlook import outlook_text

        for one in claims:
            console.print(Text.assemble("  claim ", (one.name, "bold"), f": {outlook_text(one)}"))


def plan_json(plan: Plan) -> dict[str, object]:
    """The plan as the document that `plan --json` prints."""
    count = {action: len(plan.of(action)) for action in Action}
    known = plan.complete
    return {
        "sweep": plan.sweep.name,
        "method": plan.sweep.method,
        "configs": plan.configs if known else None,
        "seeds": len(plan.sweep.seeds),
        "trials": len(plan.items) if known else None,
        "cached": count[Action.CACHED] + count[Action.REUSED],
        "reused": count[Action.REUSED],
        "stale": count[Action.STALE],
        "to_run": count[Action.RUN] if known else None,
        "failed_before": count[Action.FAILED],
        "stopped_before": count[Action.STOPPED],
        "looks": plan.sweep.looks and list(plan.sweep.looks.sizes),
        "most_trials": plan.most_trials if known else None,
        "most_device_hours": plan.most_device_hours,
        "removed_by_where": dict(plan.removed_by_where),
        "packs": -(-count[Action.RUN] // plan.pack) if known else None,
        "estimate": {
            "seconds": plan.estimate.seconds,
            "device_hours": plan.estimate.device_hours,
            "disk_bytes": plan.estimate.disk_bytes,
            "reason": plan.estimate.reason,
        },
    }


def _looks_text(plan: Plan) -> str:
    """When claims are judged, and what that costs at most."""
    assert plan.sweep.looks is not None
    sizes = ", ".join(map(str, plan.sweep.looks.sizes))
    hours = plan.most_device_hours
    cost = f", {hours:.2f} device-hours to go" if hours is not None else ""
    return f"claims are judged at {sizes} seeds, each until decided: at most {plan.most_trials} trials{cost}"


def _open_ended(plan: Plan) -> str:
    """Why the list of trials is not complete."""
    end = f", up to {plan.sweep.budget.trials} trials" if plan.sweep.budget.trials else ""
    if plan.sweep.method in ("random", "qmc"):
        return "open-ended: add budget.trials to give it an end"
    return f"the list is not complete: the searcher adds trials as results come in{end}"


def _print_trials(console: Console, plan: Plan) -> None:
    """The first and last trials, as far as there is room: an action that all have goes first, the counts have it."""
    names = list(dict.fromkeys(name for item in plan.items[:1000] for name in item.trial.varied))
    rows: list[list[str | Text]] = []
    for item in _head_and_tail(list(plan.items), 8):
        if item is None:
            rows.append(["..."] * (len(names) + 3))
            continue
        values = [show(item.trial.varied[n]) if n in item.trial.varied else "-" for n in names]
        action = f"{item.action}: {item.why}" if item.why else str(item.action)
        rows.append([item.trial.key[:8], *values, str(item.trial.seed), action])
    is_one = len({(item.action, item.why) for item in plan.items}) == 1
    columns = [FittedColumn("trial", 0, left=True)]
    columns += [FittedColumn(heading(name, names, plan.labels), 1, left=True) for name in names]
    columns += [FittedColumn("seed", 0, left=True), FittedColumn("action", 2 if is_one else 0, left=True)]
    table, left_out = fitted_table(columns, rows, console.width)
    console.print(table)
    if left_out and left_out != ["action"]:
        console.print(Text(f"  no room for {', '.join(left_out)}: `sweeper plan FILE | cat` shows all", "dim"))


def _head_and_tail(items: list[PlannedTrial], count: int) -> list[PlannedTrial | None]:
    """The first and last `count` items, with None between them where some were left out."""
    if len(items) <= 2 * count:
        return [*items]
    return [*islice(items, count), None, *items[-count:]]
