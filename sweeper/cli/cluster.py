"""The command that writes what a cluster manager needs to run a sweep: cluster."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli.options import File, Overrides, Shared, shares
from sweeper.cli.output import load_sweep, news_console
from sweeper.errors import Problem, UsageError


class ManagerChoice(StrEnum):
    slurm = "slurm"
    kubernetes = "kubernetes"


@shares("results", "no_color")
def cluster(
    manager: Annotated[
        ManagerChoice, typer.Argument(metavar="slurm|kubernetes", help="For which manager.", show_default=False)
    ],
    file: File,
    overrides: Overrides = None,
    nodes: Annotated[int, typer.Option(min=1, help="On how many nodes trials run.")] = 1,
    image: Annotated[
        str,
        typer.Option(help="Kubernetes: an image with Ray, sweeper and the trainer.", show_default=False),
    ] = "",
    claim: Annotated[str, typer.Option(help="Kubernetes: the claim of the results' volume.")] = "sweeper-results",
    *,
    shared: Shared,
) -> None:
    """Print an sbatch script or a RayJob manifest that runs the sweep, filled from its resources and budget."""
    sweep = load_sweep(file, overrides, news_console(shared.no_color))
    if manager is ManagerChoice.slurm:
        from sweeper.execution.cluster_jobs.slurm import sbatch_script
        from sweeper.reporting.commands import Commands

        text = sbatch_script(sweep, Commands(file, overrides or [], shared.results).run(), nodes, Path.cwd())
    else:
        from importlib.metadata import version

        from sweeper.execution.cluster_jobs.kubernetes import rayjob_manifest

        ray = version("ray")
        if not image:
            hint = f"e.g. FROM rayproject/ray:{ray}, RUN pip install /sweeper (a clone), and a trainer of your own"
            raise UsageError(Problem("Kubernetes needs an image", "", "--image", allowed="the name of one", hint=hint))
        text = rayjob_manifest(sweep, ray, image, claim, nodes)
    sys.stdout.write(text)
