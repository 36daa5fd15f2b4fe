"""The command line: a list of commands, each a function that parses, calls and prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from sweeper.cli import cluster, export, files, gc, importing, judge, plot, results, run, steer
from sweeper.cli.terminal.plain_text import print_text

app = typer.Typer(
    name="sweeper",
    help="Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(given: bool) -> None:
    if given:
        from importlib.metadata import version

        print_text(f"sweeper {version('sweeper')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", help="The version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do."""


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run.run,
    "plan": run.plan,
    "train": run.train,
    "validate": files.validate,
    "init": files.init,
    "schema": files.schema,
    "list": results.list_sweeps,
    "status": results.status,
    "stop": steer.stop,
    "pause": steer.pause,
    "resume": steer.resume,
    "set": steer.set_limits,
    "add": steer.add,
    "show": results.show,
    "export": export.export,
    "import": importing.import_sweep,
    "verify": judge.verify,
    "compare": judge.compare,
    "plot": plot.plot,
    "report": plot.report,
    "sample": results.sample,
    "ui": results.ui,
    "sync": results.sync,
    "gc": gc.gc,
    "cluster": cluster.cluster,
}
for name, command in COMMANDS.items():
    app.command(name=name)(command)
