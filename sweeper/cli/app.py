"""The command line: a list of commands, each a function that parses, calls and prints."""

from __future__ import annotations

from collections.abc import Callable

import typer

from sweeper.cli import export, files, gc, judge, plot, results, run

app = typer.Typer(
    name="sweeper",
    help="Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, Callable[..., None]] = {
    "run": run.run,
    "plan": run.plan,
    "train": run.train,
    "validate": files.validate,
    "init": files.init,
    "schema": files.schema,
    "list": results.list_sweeps,
    "status": results.status,
    "show": results.show,
    "export": export.export,
    "verify": judge.verify,
    "compare": judge.compare,
    "plot": plot.plot,
    "report": plot.report,
    "sample": results.sample,
    "ui": results.ui,
    "sync": results.sync,
    "gc": gc.gc,
}
for name, command in COMMANDS.items():
    app.command(name=name)(command)
