"""A trained model on the disk: named tensors in the safetensors format, from which nothing can be executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from sweeper.cvae.config import build
from sweeper.cvae.networks.model import SharedDiscreteCVAE, Sizes
from sweeper.cvae.objective import LossForm
from sweeper.cvae.tasks import Task, make_task
from sweeper.cvae.terms import LOOKAHEAD

MODEL = "model.safetensors"


def save_model(directory: Path, parameters: Mapping[str, Tensor]) -> None:
    """Write the parameters to ``directory``, whole or not at all."""
    beside = directory / f".{MODEL}.part"
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in parameters.items()}, beside)
    beside.replace(directory / MODEL)


def load_model(directory: Path, params: Mapping[str, object]) -> tuple[SharedDiscreteCVAE, Task, list[int]]:
    """The model that a trial with these settings left in ``directory``, its task, and the rows of its test prompts.

    Raises FileNotFoundError where there is none, and ValueError for settings that it was not trained with.
    """
    config = build({name: value for name, value in params.items() if name != "seed"})
    task = make_task(config.task)
    model = SharedDiscreteCVAE(Sizes.of(task), config.model, LossForm.of(config.loss).uses(LOOKAHEAD))
    try:
        model.load_state_dict(load_file(directory / MODEL))
    except RuntimeError as error:
        raise ValueError(f"{directory / MODEL} was not made with these settings: {error}") from error
    return model, task, task.split(config.train.test_prompts).tested_N.tolist()
