"""Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do.

The public API; everything heavy is imported when it is first used. `toy.yaml` sweeps four values of x:

    >>> import sweeper
    >>> spec = sweeper.load_spec("toy.yaml", ["seeds=2"])
    >>> plan = sweeper.make_plan(spec)
    >>> len(plan.to_run)
    8
    >>> outcome = sweeper.run(plan, runner="inprocess")  # or sweeper.run("toy.yaml", seeds=2), which loads and plans
    >>> outcome.exit_code.name, outcome.trained
    ('OK', 8)
    >>> sweeper.load_results("results/toy").configs[["x", "loss.mean", "loss.n", "rank"]]
       x  loss.mean  loss.n  rank
    0  1   0.015625       2     1
    1  2   0.062500       2     2
    2  3   0.140625       2     3
    3  4   0.250000       2     4
    >>> sweeper.make_plan(spec).to_run  # every trial has a result
    []
"""

from __future__ import annotations

import sys

if sys.argv[:1] == ["-m"] and "-m sweeper" in " ".join(sys.orig_argv) and not sys.flags.safe_path:
    _folder = sys.path.pop(0)  # `python -m sweeper`: a random.py or yaml.py of the current folder is not meant
    if __path__[0] == f"{_folder}/sweeper":  # not installed: workers find it there
        sys.path.append(_folder)

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.errors import Exit, SweeperError

if TYPE_CHECKING:
    from sweeper.api.asked import open
    from sweeper.api.calls import plan, run
    from sweeper.fused.trainer import fuse
    from sweeper.planning.plan import Plan
    from sweeper.reporting.notebook import NotebookResults
    from sweeper.spec.sweep import Sweep
    from sweeper.trainer.config_classes import parameters_of
    from sweeper.trainer.config_objects import config_from
    from sweeper.trainer.program_report import report

__version__ = "0.1.0"
__all__ = [
    "Exit",
    "SweeperError",
    "config_from",
    "fuse",
    "load_results",
    "load_spec",
    "make_plan",
    "open",
    "parameters_of",
    "plan",
    "report",
    "run",
]
# Imported when they are used: `--help` needs none of them.
_HOMES = {"fuse": "fused.trainer", "parameters_of": "trainer.config_classes", "plan": "api.calls", "run": "api.calls"}
_HOMES |= {"open": "api.asked", "config_from": "trainer.config_objects", "report": "trainer.program_report"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sweeper.{_HOMES[name]}"), name)


def load_spec(file: str | Path, overrides: Sequence[str] = ()) -> Sweep:
    """The sweep of a file, with overrides as on the command line. Raises SweeperError with all problems of the file.

    >>> spec = load_spec("search_spaces/grid.yaml", ["seeds=3"])
    >>> spec.name, spec.method, spec.seeds
    ('grid', 'grid', (0, 1, 2))
    """
    from sweeper.spec.load import load_spec

    return load_spec(Path(file), overrides)


def make_plan(spec: Sweep, results: str | Path = "results") -> Plan:
    """The trials of a sweep less those that RESULTS/NAME holds. Raises SweeperError for settings that are refused.

    >>> plan = make_plan(load_spec("search_spaces/grid.yaml"))
    >>> len(plan.to_run), plan.to_run[0].name
    (8, 'beta=0.5 mKL=0 JSD=0 seed=0')
    """
    from sweeper.planning.plan import make
    from sweeper.planning.sweep_trainer import find_trainer

    return make(spec, find_trainer(spec, Path(results), needed=False), Path(results))


def load_results(folder: str | Path) -> NotebookResults:
    """The results of one sweep, for a notebook: `load_results("results/grid").configs` is a pandas data frame.

    `folder` is RESULTS/NAME. `.trials`, `.configs` and `.curves` are the tables that `sweeper export` writes, each read
    from the ledger when it is first asked for; `.plot("heatmap")` is a figure of matplotlib. In a notebook the results
    show themselves. Raises UsageError where there is no such sweep.

    >>> published = load_results("results/published/token_weighted")
    >>> len(published.trials), len(published.configs), published.metrics[0]
    (216, 36, 'alignment')
    """
    from sweeper.analysis.sweep_results import load_results
    from sweeper.reporting.notebook import NotebookResults

    return NotebookResults(load_results(Path(folder)).folder)
