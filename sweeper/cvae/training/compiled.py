"""The loss as one compiled function, where compiling pays: the weights are inputs, so that no setting recompiles it.

On an H100 a step of 64 members falls from 5.6 ms to 3.1 ms; compiling takes 20-28 s once, and some 13 s from the disk.
On a CPU it pays nowhere: measured, 1.0 to 1.4 times the time of a step, and one to two minutes of compiling.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch

from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.objective import step_loss
from sweeper.cvae.training import cache
from sweeper.cvae.training.program import Program

Loss = Callable[..., Any]

STEPS_COLD, STEPS_WARM = 10_000, 5_000  # of a training, from which compiling pays: at first, and from the disk


def loss_for(program: Program, config: CVAEConfig, shape: str, members: int) -> Loss:
    """The loss function for so many members, compiled with ``train.compile``."""
    key = cache.key_of(program, "compiled for", members, shape)
    if not _pays(program, config, warm=cache.remembered(key) is not None):
        return step_loss
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache.folder() / "inductor"))
    compiled = torch.compile(step_loss, dynamic=False)
    works: list[bool] = []

    def loss(*given: Any) -> Any:
        if works == [False]:
            return step_loss(*given)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # advice for authors of a program, not for its users
                found = compiled(*given)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:
            # No compiler here, or one that fails: compiling is for speed alone, and there is a way without.
            print(f"train.compile: not compiled, {_first_line(error)}", file=sys.stderr)
            works[:] = [False]
            return step_loss(*given)
        if not works:
            cache.remember(key, 1)
            works[:] = [True]
        return found

    return loss


def _pays(program: Program, config: CVAEConfig, warm: bool) -> bool:
    wish = config.train.compile
    if program.accumulation > 1:
        return False
    if isinstance(wish, bool):
        return wish
    return program.device.type == "cuda" and config.train.steps >= (STEPS_WARM if warm else STEPS_COLD)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
