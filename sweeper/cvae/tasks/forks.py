"""Where the strategies of a task part: tokens on which a choice among them still depends.

Shapes: B examples, N prompts of the task, P prompt tokens, S strategies, T target positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.cvae.tasks.enumerated import EnumeratedTask
from sweeper.cvae.tasks.task import Task


def forks(task: Task, prompt_BP: Tensor, target_BT: Tensor) -> Tensor:
    """1 where some strategy that shares the trace so far goes on with another token, else 0, as on style, [B,T].

    On the CPU. Raises ValueError for a task whose strategies are not known for every prompt.
    """
    if not isinstance(task, EnumeratedTask):
        raise ValueError(f"task: expected one that knows where strategies part, found {task.name}")
    trace_B1T = target_BT.cpu()[:, None, task.style_tokens :]
    same_BST = task.traces_NST[_rows_of(task, prompt_BP.cpu())] == trace_B1T
    shared_BST = torch.cat([torch.ones_like(same_BST[..., :1]), same_BST[..., :-1].cummin(-1).values], dim=-1)
    parts_BT = (shared_BST & ~same_BST).any(1).float()
    return torch.nn.functional.pad(parts_BT, (task.style_tokens, 0))


def _rows_of(task: EnumeratedTask, prompt_BP: Tensor) -> Tensor:
    """The prompts' places among those of the task, [B]."""
    place_P = len(task.prompt_vocabulary) ** torch.arange(task.prompt_length)
    codes_N, order_N = (task.prompts_NP * place_P).sum(1).sort()
    return order_N[torch.searchsorted(codes_N, (prompt_BP * place_P).sum(1))]
