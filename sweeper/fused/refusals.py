"""What cannot be trained in a pack: found before the first step where it can be, and named by its module."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sweeper.errors import ContractError
from sweeper.fused.layout import INTERNAL
from sweeper.fused.step import Bound

ADVICE = {  # part of a message of vmap -> what to do about it
    "data-dependent control flow": "an `if` on a tensor: use torch.where or a mask; for a setting, name it in `fixed`",
    ".item()": "a tensor read as a number: keep it a tensor, and read numbers in evaluate()",
    "dynamic shape": "a result whose shape depends on values: use torch.where or multiply by a mask",
    "inplace arithmetic": "a change in place: write x = x + y in place of x += y",
    "doesn't match the broadcast shape": "a change in place: write x = x + y in place of x += y",
    "unbatched tensor": "random numbers of a tensor without batch: draw torch.randn_like(x) of a tensor of the batch",
    "atching rule not implemented": "an operation that vmap does not know: write it with other operations",
}
RUNNING = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def check_modules(model: nn.Module, device: torch.device) -> None:
    """Refuse modules that are known not to work in a pack. Raises ContractError."""
    for name, part in model.named_modules():
        kind = type(part).__name__
        if isinstance(part, RUNNING) and part.training and part.track_running_stats:
            raise refusal(
                name, f"{kind} updates running statistics in training",
                f"use GroupNorm or LayerNorm, or {kind}(..., track_running_stats=False)",
            )  # fmt: skip
        if isinstance(part, nn.RNNBase) and device.type == "cuda":
            raise refusal(name, f"vmap refuses cuDNN's {kind}", f"use {kind}Cell, or train on the CPU")


def check_side_effects(model: nn.Module, call: Callable[[], object]) -> None:
    """Refuse modules that a call of the loss changes: members of a pack have no modules of their own.

    The second of two calls counts: the first one may fill a cache. Raises ContractError.
    """
    call()
    before = _contents(model)
    call()
    after = _contents(model)
    for (name, attribute), content in after.items():
        if before.get((name, attribute)) != content:
            raise refusal(
                name, f"the forward pass changes {attribute}",
                "return what it computes, or remove it: modules of a pack have no state of their own",
            )  # fmt: skip


def explain(bound: Bound, error: Exception, call: Callable[[], object]) -> ContractError:
    """Why vmap refuses a loss that works for one member: the innermost module at work, the line, what to change."""
    name, text = _innermost(bound, call), " ".join(str(error).split())
    advice = next((cure for part, cure in ADVICE.items() if part in text), f"vmap: {text[:160]}")
    cure = f"{advice}; or train without packs, resources: {{pack: 1}}"
    return refusal(name, f"it works for one trial and not for a pack{_line(error)}", cure)


def refusal(module: str, problem: str, cure: str) -> ContractError:
    """The error for a module of the model, "" for what is outside all of them."""
    place = f"module {module!r} cannot be fused" if module else "the loss cannot be fused"
    return ContractError(f"{place}: {problem}; {cure}")


def _contents(model: nn.Module) -> dict[tuple[str, str], tuple[int, int]]:
    """Buffers and attributes of all modules: the identity of each, and how often a tensor was changed in place."""
    found = {}
    for name, part in model.named_modules():
        attributes = {key: value for key, value in part.__dict__.items() if key not in INTERNAL}
        for key, value in {**attributes, **part._buffers}.items():
            found[name, key] = (id(value), value._version if isinstance(value, Tensor) else 0)
    return found


def _innermost(bound: Bound, call: Callable[[], object]) -> str:
    """The qualified name of the module in whose forward pass `call` raises, "" where it is in none."""
    inside: list[str] = []
    hooks = []
    for name, part in bound.model.named_modules():

        def enter(module: nn.Module, args: Any, name: str = name) -> None:
            inside.append(name)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            inside.pop()

        hooks += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
    try:
        call()
    except Exception:
        return inside[-1] if inside else ""
    finally:
        for hook in hooks:
            hook.remove()
    return ""


def _line(error: Exception) -> str:
    """The last line of the user's own code that an error went through, as ` (train.py:23)`."""
    libraries = (Path(torch.__file__).parent, Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(Path(frame.filename).is_relative_to(place) for place in libraries)]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
