"""The commands about sweep files: validate, schema, init."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeper.cli import completion
from sweeper.cli.options import AssumeSd, Shared, shares
from sweeper.cli.output import load_sweep, news_console, print_json
from sweeper.cli.terminal.plain_text import print_text
from sweeper.errors import Exit, Problem, SweeperError, UsageError
from sweeper.spec.files import find_file


@shares("results", "as_json", "no_color")
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE ...", help="Sweep files.", show_default=False, autocompletion=completion.files),
    ],
    assume_sd: AssumeSd = None,
    *,
    shared: Shared,
) -> None:
    """Every problem of every file, with its line. Exit code 2 when there is one."""
    from sweeper.cli.run import claim_outlooks
    from sweeper.cli.terminal.console import print_problems
    from sweeper.execution.preflight import refusals
    from sweeper.planning.plan import make
    from sweeper.planning.sweep_trainer import described

    console = news_console(shared.no_color)
    errors: dict[str, list[Problem]] = {}
    claims: dict[str, list[dict[str, Any]]] = {}
    for file in map(find_file, files):
        try:
            sweep = load_sweep(file, None, console)
            made = make(sweep, described(sweep) if sweep.trainer else None, Path(os.devnull))
            print_problems(console, made.warnings, "warning")
            claims[str(file)] = [one.as_json() for one in claim_outlooks(made, shared.results, console, assume_sd)]
            if problems := refusals(made, os.environ.get("RAY_ADDRESS")):
                raise UsageError(*problems)
        except SweeperError as error:
            errors[str(file)] = list(error.problems)
            print_problems(console, error.problems)
    if shared.as_json:
        found = {name: [str(problem) for problem in problems] for name, problems in errors.items()}
        print_json({"valid": not errors, "files": len(files), "problems": found, "claims": claims})
    elif not errors:
        console.print(f"{len(files)} file{'s are' if len(files) > 1 else ' is'} valid")
    if errors:
        raise typer.Exit(Exit.USAGE)


def schema() -> None:
    """The JSON Schema of the sweep file, for editors."""
    from sweeper.spec.load import schema

    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")


@shares()
def init(
    name: Annotated[str, typer.Argument(help="The name of the sweep.", show_default="my-sweep")] = "",
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Start from this file, or from one that comes with sweeper: mar17, jsd ...",
            show_default=False,
            autocompletion=completion.files,
        ),
    ] = "",
    *,
    shared: Shared,
) -> None:
    """Write a commented sweep file, NAME.yaml, that runs as it is, and the schema that editors check it with."""
    from sweeper.spec.load import copied, schema, starter

    if origin:
        found = find_file(Path(origin))
        name = name or found.stem
        text = copied(found, name)
    else:
        name = name or "my-sweep"
        text = starter(name)
    path, editors = Path(f"{name}.yaml"), Path("sweeper.schema.json")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        editors.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(Problem(f"cannot write it: {error.strerror}", str(error.filename or path))) from error
    print_text(f"wrote {path} and {editors}; next: sweeper plan {path}", news=True)
