"""One page with everything about a sweep: claims, tables, pictures, every trial, provenance; it needs no network.

The results folder may be a stranger's: its texts are escaped, its trainer is not imported, no file outside of it is
read, and the page itself forbids every script and style but its own (Content-Security-Policy with their hashes).
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.sweep_results import SweepResults
from sweeper.errors import SweeperError
from sweeper.reporting.figures import KINDS, FigureContext, ImageFormat, NotApplicable, RenderedFigure, draw
from sweeper.reporting.report import tables
from sweeper.reporting.report.trials import trial_data
from sweeper.trial import State

PAGE = Path(__file__).parent
MANY = 300  # trials; a picture of more dots than that is smaller, and quicker made, as PNG
DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on the page: its title, what it shows for those who cannot see it, and its bytes as an address."""

    title: str
    alternative: str
    address: str


def render(loaded: SweepResults) -> str:
    """The whole page. The same results give the same text."""
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script, style = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    pictures, left_out = _pictures(loaded)
    claims, unread = _verdicts(loaded)
    states = Counter(record.state for record in loaded.history.planned())
    return environment.get_template("page.html").render(
        name=loaded.name,
        description=loaded.sweep.description if loaded.sweep else "",
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        script=script,
        style=style,
        states=[(str(state), states[state]) for state in State if states[state]],
        damaged=loaded.history.damaged,
        claims=claims,
        unread=unread,
        configs=tables.configs(loaded),
        trials=tables.trials(loaded),
        pictures=pictures,
        left_out=left_out,
        data=trial_data(loaded),
        provenance=_provenance(loaded),
        reproduce=f"sweeper run {shlex.quote(loaded.name)}.yaml",
        spec=_spec_text(loaded),
    )


def _verdicts(loaded: SweepResults) -> tuple[list[Verdict], str]:
    """The verdicts on the claims, or why there are none."""
    from sweeper.analysis.claims.verify import verdicts

    try:
        found = verdicts(loaded.folder.results, loaded.folder.name)
    except SweeperError as error:
        return [], f"The claims cannot be judged: {error}"
    return found, "" if found else "No claims: the sweep file has no `expect:`."


def _pictures(loaded: SweepResults) -> tuple[list[Picture], list[str]]:
    subject = FigureContext(loaded)
    form = ImageFormat.SVG if len(subject.trials) <= MANY else ImageFormat.PNG
    pictures, left_out = [], []
    for name, kind in KINDS.items():
        for drawn in draw(kind, subject, {form}, DOTS_PER_INCH):
            if isinstance(drawn, NotApplicable):
                left_out.append(f"{name}: {drawn}")
                continue
            title = f"{name}: {drawn.metric}" if drawn.metric else name
            words = f"{title}. {subject.counts()}. The numbers are in the tables above."
            pictures.append(Picture(title, words, _address(drawn)))
    return pictures, left_out


def _address(drawn: RenderedFigure) -> str:
    """The picture itself, as the address of an image."""
    [(form, content)] = drawn.content.items()
    kind = "svg+xml" if form is ImageFormat.SVG else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _provenance(loaded: SweepResults) -> list[tuple[str, str]]:
    """What is known of the last run and of the files, in pairs of words."""
    facts: list[tuple[str, str]] = []
    runs = loaded.history.runs
    if runs:
        run = runs[-1]
        facts.append(("last run", datetime.fromtimestamp(float(run["at"]), UTC).isoformat(timespec="seconds")))
        facts += [
            (key, str(run[key])) for key in ("command", "commit", "host", "platform", "python", "cpus") if key in run
        ]
        packages: dict[str, Any] = run.get("packages", {})
        facts.append(("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
        facts.append(("runs", str(len(runs))))
    trials = loaded.trials
    facts += [
        (name, ", ".join(sorted(map(str, trials[name].dropna().unique()))))
        for name in ("commit", "code", "device")
        if name in trials
    ]
    facts.append(("sweep file, SHA-256", _digest(loaded.folder.spec)))
    facts.append(("ledger, SHA-256", _digest(loaded.folder.ledger)))
    return [(name, words) for name, words in facts if words]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _spec_text(loaded: SweepResults) -> str:
    path = loaded.folder.spec
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
