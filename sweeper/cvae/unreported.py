"""The metrics that a task does not have, each with the reason. Imports no torch."""

from __future__ import annotations

from sweeper.cvae.data.dataset import strategies_of
from sweeper.cvae.metrics import ALIGNMENT, METRICS
from sweeper.cvae.task_config import ENUMERATED, FILE


def unreported(name: str, path: str, tokenizer: str) -> dict[str, str]:
    """Of the task ``name``, and of the data ``path`` that it reads where it is ``file``."""
    missing = dict[str, str]()
    if name in ENUMERATED:
        here = [metric for metric in METRICS if metric.startswith(("test/", "diagnostics/standard_error/"))]
        return dict.fromkeys(here, f"{name} is evaluated on its test split throughout: name it without test/")
    if name == FILE:
        steps = ("answer_accuracy", "valid_rate", "diagnostics/inter_latent_jsd/ceiling")
        missing = dict.fromkeys(steps, "of data from files only whole targets are known to be right")
        if strategies_of(path, tokenizer) == []:  # None where the data cannot be read: a problem of its own
            why = "the data have no column strategy"
            missing |= dict.fromkeys([*ALIGNMENT, "diagnostics/standard_error/alignment"], why)
    return missing | {f"test/{metric}": why for metric, why in missing.items()}
