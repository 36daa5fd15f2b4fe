"""The command line: a list of verbs. Each is a function that parses, calls and prints, in the file named beside it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from sweeper import cli_export, cli_files, cli_garbage, cli_judge, cli_pictures, cli_results, cli_run

app = typer.Typer(
    name="sweeper",
    help="Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: dict[str, Callable[..., None]] = {
    "run": cli_run.run,
    "plan": cli_run.plan,
    "train": cli_run.train,
    "validate": cli_files.validate,
    "init": cli_files.init,
    "schema": cli_files.schema,
    "list": cli_results.list_sweeps,
    "status": cli_results.status,
    "show": cli_results.show,
    "export": cli_export.export,
    "verify": cli_judge.verify,
    "compare": cli_judge.compare,
    "plot": cli_pictures.plot,
    "report": cli_pictures.report,
    "sample": cli_results.sample,
    "ui": cli_results.ui,
    "sync": cli_results.sync,
    "gc": cli_garbage.gc,
}
for name, verb in VERBS.items():
    app.command(name=name)(verb)
