"""What all members of a pack share: the task, the networks' shapes, what is evaluated and the device."""

from __future__ import annotations

import ctypes
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sweeper.cvae.config import CVAEConfig, ModelConfig, TaskConfig
from sweeper.cvae.evaluation.split import EvaluationSplit
from sweeper.cvae.networks.model import SharedDiscreteCVAE, Sizes
from sweeper.cvae.objective import LossForm
from sweeper.cvae.tasks import Task, make_task
from sweeper.cvae.terms import LOOKAHEAD
from sweeper.cvae.training.optimizers import muon
from sweeper.cvae.training.optimizers.adamw import Moments, adamw_direction, move_
from sweeper.cvae.training.optimizers.layout import Layout

Z_FREE = ("baseline.", "lookahead.")  # parameters that are trained once per seed
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Made once for all trials that agree in it; holds nothing of any one of them.

    ``split`` is evaluated at each report, ``final``, where there is one, at the end of a training. A batch is taken in
    ``accumulation`` parts.
    """

    task: Task
    model: SharedDiscreteCVAE
    layout: Layout  # of all that a member trains: the baseline is trained apart
    baseline_layout: Layout
    train_rows_R: Tensor
    split: EvaluationSplit
    final: EvaluationSplit | None
    device: torch.device
    batch_size: int
    accumulation: int
    form: LossForm
    precision: str
    optimizer: str

    @classmethod
    def of(cls, config: CVAEConfig) -> Program:
        """The program for ``config``. Raises ValueError where there is no such device."""
        device = device_of(config.train.device)
        train = config.train
        batches = train.batch_size, train.gradient_accumulation_steps
        form, kinds = LossForm.of(config.loss), (train.precision, train.optimizer)
        return _program(config.task, config.model, *batches, train.test_prompts, form, device, *kinds)

    def autocast(self) -> AbstractContextManager[object]:
        """In which a step's networks run: their products in ``train.precision``, all else in float32."""
        if self.precision == "float32":
            return nullcontext()
        # no cache: a step's parameters are views of one vector, and a recorded CUDA graph must not hold copies of them
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    def update_(
        self,
        layout: Layout,
        flat_MW: Tensor,
        gradient_MW: Tensor,
        moments: Moments,
        correction_M: Tensor,
        rate_MW: Tensor,
        decay_MW: Tensor,
    ) -> None:
        """One step of ``train.optimizer``, in place on parameters and moments."""
        direction_MW = adamw_direction(gradient_MW, moments, correction_M)
        if self.optimizer == "muon":
            muon.orthogonalize_(layout, direction_MW, gradient_MW, moments.mean_W)
        move_(flat_MW, direction_MW, rate_MW, decay_MW)

    def initial_W(self, seed: int, layout: Layout) -> Tensor:
        """The parameters that a member, or its baseline, begins with, drawn on the CPU: the same everywhere, [W]."""
        drawn = SharedDiscreteCVAE(self.model.sizes, self.model.config, self.form.uses(LOOKAHEAD))
        drawn.reset(torch.Generator().manual_seed((2 * seed) % 2**63))
        return layout.flatten(dict(drawn.named_parameters())).detach().to(self.device)


@lru_cache(maxsize=4)
def _program(
    task_config: TaskConfig,
    model_config: ModelConfig,
    batch_size: int,
    accumulation: int,
    test_prompts: int,
    form: LossForm,
    device: torch.device,
    precision: str,
    optimizer: str,
) -> Program:
    if device.type == "cpu":
        keep_freed_memory()
    task, train_rows_R, split, final = _data(task_config, test_prompts, model_config.latents, device)
    model = SharedDiscreteCVAE(Sizes.of(task), model_config, form.uses(LOOKAHEAD)).to(device)
    own, baseline = (
        Layout.of({name: of for name, of in model.named_parameters() if name.startswith(Z_FREE) is is_baseline})
        for is_baseline in (False, True)
    )
    layouts = own.to(device), baseline.to(device)
    sizes = batch_size, accumulation
    return Program(task, model, *layouts, train_rows_R, split, final, device, *sizes, form, precision, optimizer)


@lru_cache(maxsize=4)
def _data(
    config: TaskConfig, test_prompts: int, latents: int, device: torch.device
) -> tuple[Task, Tensor, EvaluationSplit, EvaluationSplit | None]:
    task = make_task(config)
    splits = task.split(test_prompts)
    final = None if splits.final_N is None else EvaluationSplit.of(task, splits.final_N, latents, device)
    return task, splits.train_R, EvaluationSplit.of(task, splits.reported_N, latents, device), final


def device_of(name: str) -> torch.device:
    """The device that ``train.device`` names. Raises ValueError where there is no such device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.device: found 'cuda', allowed: auto or cpu, there is no GPU that torch can use here")
    return torch.device(name)


def keep_freed_memory() -> None:
    """Lets glibc keep what tensors free, instead of returning it to the kernel and faulting it in again.

    A training step on CPU allocates some 30 MB in blocks of up to 1.5 MB, all freed by its end: measured, 650 page
    faults and 12-25 % of the step. For the whole process; elsewhere than on glibc it does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest value glibc accepts
    mallopt(M_TRIM_THRESHOLD, 1 << 30)
