"""Where the strategies of a task part: tokens on which a choice among them still depends.

Shapes: B examples, N prompts of the task, P prompt tokens, S strategies, T target positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.cvae.tasks.enumerated import EnumeratedTask
from sweeper.cvae.tasks.sort_trace import SortTrace
from sweeper.cvae.tasks.task import Task

WRITTEN = 512  # examples whose traces are written at a time, where they are not kept: 512 x 6 x 120 tokens


def forks(task: Task, prompt_BP: Tensor, target_BT: Tensor) -> Tensor:
    """1 where some strategy that shares the trace so far goes on with another token, else 0, as on style, [B,T].

    On the CPU. For ``sort_trace`` the algorithms are run on each list. Raises ValueError for data from files, which
    need not hold what every strategy writes for a prompt.
    """
    prompt_BP, target_BT = prompt_BP.cpu(), target_BT.cpu()
    if isinstance(task, SortTrace):
        pieces = zip(*(torch.split(tokens, WRITTEN) for tokens in (prompt_BP, target_BT)), strict=True)
        return torch.cat([_parts(task.traces(prompt_bP), target_bT) for prompt_bP, target_bT in pieces])
    if not isinstance(task, EnumeratedTask):
        raise ValueError(f"task: expected one that knows where strategies part, found {task.name}")
    parts_BL = _parts(task.traces_NST[_rows_of(task, prompt_BP)], task.without_style(target_BT))
    return task.with_style(parts_BL, parts_BL.new_zeros(len(parts_BL), task.style_tokens))


def _parts(traces_BST: Tensor, target_BT: Tensor) -> Tensor:
    """1 where a trace that is the target so far goes on with another token, [B,T]; behind the end none does."""
    same_BST = traces_BST == target_BT[:, None]
    shared_BST = torch.cat([torch.ones_like(same_BST[..., :1]), same_BST[..., :-1].cummin(-1).values], dim=-1)
    return (shared_BST & ~same_BST).any(1).float()


def _rows_of(task: EnumeratedTask, prompt_BP: Tensor) -> Tensor:
    """The prompts' places among those of the task, [B]."""
    place_P = len(task.prompt_vocabulary) ** torch.arange(task.prompt_length)
    codes_N, order_N = (task.prompts_NP * place_P).sum(1).sort()
    return order_N[torch.searchsorted(codes_N, (prompt_BP * place_P).sum(1))]
