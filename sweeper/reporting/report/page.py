"""One page with everything about a sweep: claims, tables, plots, every trial, provenance; it needs no network.

The results folder may be a stranger's: its texts are escaped, its trainer is not imported, no file outside of it is
read, and the page itself forbids every script and style but its own (Content-Security-Policy with their hashes).
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.progress import Failure
from sweeper.analysis.sweep_results import SweepResults
from sweeper.errors import SweeperError
from sweeper.redaction import without_login
from sweeper.reporting import methods
from sweeper.reporting.figures import KINDS, FigureContext, ImageFormat, NotApplicable, RenderedFigure, draw
from sweeper.reporting.report import tables
from sweeper.reporting.report.trials import trial_data
from sweeper.trial import State

PAGE = Path(__file__).parent
MANY = 300  # trials; a plot of more dots than that is smaller, and quicker made, as PNG
DOTS_PER_INCH, COARSE = 96, 75  # COARSE where the tables, too, hold only a part of the trials


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What a page that updates itself has besides: how far the sweep is, and the plots as last drawn.

    `state` is running or over, `version` names what the page shows, `more` what there was no room for.
    """

    version: str
    state: str
    text: str
    counts: str
    total: int
    ended: int
    running: Sequence[RunningCurve]
    failures: Sequence[Failure]
    more: str
    plots: Sequence[PageFigure]
    skipped: Sequence[str]
    drawn: bool
    script: str


@dataclass(frozen=True, slots=True)
class RunningCurve:
    """A trial that runs: its name, its last step and value, and its curve as the path of a drawing of 100 by 40."""

    name: str
    metric: str
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A plot on the page: its title, what it shows for those who cannot see it, and its bytes as an address."""

    title: str
    alternative: str
    address: str


def render(results: SweepResults, live: LiveFacts | None = None) -> str:
    """The whole page. The same results give the same text. With `live` it updates itself, and has the plots of that."""
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script, style = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    plots, skipped = figures_of(results) if live is None else (live.plots, live.skipped)
    claims, unread = _verdicts(results)
    provenance = _provenance(results)
    states = Counter(record.state for record in results.history.planned())
    return environment.get_template("page.html").render(
        name=results.name,
        description=results.sweep.description if results.sweep else "",
        policy=_policy(style, script, live),
        live=live,
        script=script,
        style=style,
        states=[(str(state), states[state]) for state in State if states[state]],
        damaged=results.history.damaged,
        claims=claims,
        unread=unread,
        best=tables.best(results),
        is_front=len(results.goals) > 1,
        methods=methods.paragraphs(results.history, results.sweep.claims if results.sweep and claims else (), claims),
        configs=tables.configs(results),
        trials=tables.trials(results),
        plots=plots,
        skipped=skipped,
        absent=_absent(results),
        data=trial_data(results),
        provenance=provenance,
        has_commit="commit" in dict(provenance),
        imported=results.history.imported_from,
        reproduce=f"sweeper run {shlex.quote(results.name)}.yaml",
        spec=_spec_text(results),
    )


def _absent(results: SweepResults) -> list[str]:
    """The metrics that no trial reports, by the reason."""
    absent = results.absent
    reasons = dict.fromkeys(absent.values())
    return [f"{', '.join(name for name, why in absent.items() if why == one)} ({one})" for one in reasons]


def _verdicts(results: SweepResults) -> tuple[list[Verdict], str]:
    """The verdicts on the claims, or why there are none."""
    from sweeper.analysis.claims.verify import verdicts

    try:
        found = verdicts(results.folder, results.history)
    except SweeperError as error:
        return [], f"The claims cannot be judged: {error}"
    return found, "" if found else "No claims: the sweep file has no expect."


def figures_of(results: SweepResults) -> tuple[list[PageFigure], list[str]]:
    """Every plot that makes sense, and why others do not."""
    context = FigureContext(results)
    form = ImageFormat.SVG if len(context.trials) <= MANY else ImageFormat.PNG
    dots = DOTS_PER_INCH if len(context.trials) <= tables.MOST_ROWS else COARSE
    plots, skipped = [], []
    for name, kind in KINDS.items():
        for figure in draw(kind, context, {form}, dots):
            if isinstance(figure, NotApplicable):
                skipped.append(f"{name}: {figure}")
                continue
            title = f"{name}: {context.text(figure.metric)}" if figure.metric else name
            caption = f"{title}. {context.counts()}. The numbers are in the tables above."
            plots.append(PageFigure(title, caption, _address(figure)))
    return plots, list(dict.fromkeys(skipped))


def _address(figure: RenderedFigure) -> str:
    """The plot itself, as the address of an image."""
    [(form, content)] = figure.content.items()
    kind = "svg+xml" if form is ImageFormat.SVG else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _provenance(results: SweepResults) -> list[tuple[str, str]]:
    """What is known of the last run and of the files, in pairs of words."""
    facts: list[tuple[str, str]] = []
    runs = results.history.runs
    if runs:
        run = runs[-1]
        facts.append(("last run", datetime.fromtimestamp(float(run["at"]), UTC).isoformat(timespec="seconds")))
        facts += [
            (key, str(run[key])) for key in ("command", "commit", "host", "platform", "python", "cpus") if key in run
        ]
        packages: dict[str, Any] = run.get("packages", {})
        facts.append(("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
        facts.append(("runs", str(len(runs))))
    trials = results.trials
    facts += [
        (name, ", ".join(sorted(map(str, trials[name].dropna().unique()))))
        for name in ("commit", "code", "device")
        if name in trials
    ]
    facts.append(("sweep file, SHA-256", _digest(results.folder.spec)))
    facts.append(("ledger, SHA-256", _digest(results.folder.ledger)))
    return [(name, text) for name, text in dict.fromkeys(facts) if text]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _spec_text(results: SweepResults) -> str:
    path = results.folder.spec
    return without_login(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else ""


def _policy(style: str, script: str, live: LiveFacts | None) -> str:
    """What the page may load and run: its own parts; a live one also asks its server for the next version."""
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    return f"{policy} {_hash(live.script)}; connect-src 'self'" if live else policy


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
