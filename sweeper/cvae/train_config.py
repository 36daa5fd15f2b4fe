"""The settings of training: ``train.*``. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.cvae.settings import setting
from sweeper.cvae.stopping import MONITORED, STOP_WHEN, is_stop_condition


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Optimisation, evaluation and device."""

    steps: int = setting(1200, "optimiser steps", low=1, high=10_000_000)
    batch_size: int = setting(128, "examples a step, drawn afresh", low=1, high=65_536)
    gradient_accumulation_steps: int = setting(
        1,
        "parts of a batch that are taken one after the other, their gradients summed: less memory, the same step",
        low=1,
        high=65_536,
        added=True,
    )
    precision: str = setting(
        "float32",
        "of the networks' products in a step, by autocast; parameters, losses and the evaluation stay float32",
        choices=("float32", "bfloat16"),
        added=True,
    )
    optimizer: str = setting(
        "adamw",
        "adamw, or muon for weight matrices (AdamW for the rest): fewer steps, with learning_rate 0.01",
        choices=("adamw", "muon"),
        added=True,
    )
    learning_rate: float = setting(3e-3, "peak of the optimizer's learning rate", low=0, high=1)
    router_lr_scale: float = setting(
        1.0,
        "the router's learning rate as a multiple of the generator's",
        low=0,
        high=100,
        only_when=(("model.router", ("network",)),),
    )
    baseline_lr_scale: float = setting(2.0, "the z-free baseline's learning rate, likewise", low=0, high=100)
    warmup: float = setting(0.05, "share of the steps over which the learning rate rises", low=0, high=1)
    final_lr: float = setting(0.02, "learning rate at the end of its cosine, as a share of the peak", low=0, high=1)
    weight_decay: float = setting(0.1, "the optimizer's decay of weight matrices", low=0, high=1)
    clip_norm: float = setting(1.0, "largest norm of the gradient", low=1e-6, high=1e6)
    baseline_warmup: float = setting(
        0.1, "share of the steps over which token weights pass from uniform to the baseline's NLL", low=0, high=1
    )
    report_every: int = setting(200, "steps between reports", low=1, high=10_000_000)
    stop_when: str | None = setting(
        None,
        "end early when a report fulfils this, as in 'task_accuracy >= 0.99 and alignment >= 0.9'",
        accepts=is_stop_condition,
        allowed_text=STOP_WHEN,
    )
    patience: int = setting(
        0,
        "end early at so many reports in a row without a better train.patience_metric; 0: never",
        low=0,
        high=1_000_000,
        added=True,
    )
    patience_metric: str = setting(
        "loss/total", "what has to get better, on the split that reports are of", choices=tuple(MONITORED), added=True
    )
    test_prompts: int = setting(256, "most prompts in the test split, each with all its strategies", low=1, high=65_536)
    compile: str | bool = setting(
        "auto",
        "compile the step; auto does on a GPU if so long a training repays it",
        accepts=lambda value: value == "auto" or isinstance(value, bool),
        allowed_text="auto, true or false",
    )
    device: str = setting("auto", "where to train; auto takes a GPU if there is one", choices=("auto", "cpu", "cuda"))
