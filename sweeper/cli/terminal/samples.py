"""`sweeper sample`: what a trained model of the bundled trainer writes under each latent, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeper.errors import Problem, UsageError
from sweeper.trial import Record


def print_samples(
    console: Console, record: Record, directory: Path, prompts: int, latents: Sequence[int] | None
) -> None:
    """For the first test prompts, the greedy trace under each latent, its strategy named and its errors marked."""
    if record.trial.trainer != "cvae":
        raise UsageError(Problem("only the bundled trainer can be sampled", found=record.trial.trainer, allowed="cvae"))
    from sweeper.cvae.checkpoint import load_model
    from sweeper.cvae.evaluation.samples import generate

    try:
        model, task, rows = load_model(directory, record.trial.params)
    except FileNotFoundError:
        hint = "models stay with `checkpoints.keep=last`; `--rerun all` trains again"
        raise UsageError(Problem("no trained model was kept for this trial", str(directory), hint=hint)) from None
    _check_latents(latents, len(model.generator.latent[0]))
    console.print(Text(record.trial.name, "bold"))
    for row in rows[:prompts]:
        generations = generate(model, task, [row], latents)
        table = Table(title=f"prompt  {generations[0].prompt}", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for heading in ("z", "trace", "strategy", ""):
            table.add_column(heading)
        for generation in generations:
            errors = [] if generation.steps_valid else ["invalid step"]
            errors += [] if generation.answer_right else ["wrong answer"]
            strategy = generation.strategy or Text("none", "dim")
            table.add_row(str(generation.latent), generation.trace, strategy, Text(", ".join(errors), "red"))
        console.print(table)


def _check_latents(latents: Sequence[int] | None, count: int) -> None:
    wrong = [str(z) for z in latents or () if not 0 <= z < count]
    if wrong:
        raise UsageError(Problem("no such latent", "", "--z", ", ".join(wrong), f"all, or 0 to {count - 1}"))
