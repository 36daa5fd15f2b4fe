"""What the public losses refuse: tensors whose loss would be a number, and wrong.

Each error names the argument, what was expected and what was found.
Shapes: B batch, K latents, T target positions, V vocabulary, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING = 1e-3  # an NLL may be this far below 0
IGNORED = -100  # what torch's cross_entropy leaves out


def check_states(states: Tensor, name: str, shape: str) -> None:
    """Raises ValueError unless ``states`` are floating point numbers [B,K,T,...]."""
    _expect_tensor(states, name)
    _expect(states.dim() == 4, name, f"shape {shape}", f"shape {_shape(states)}")
    _expect(states.is_floating_point(), name, "floating point", str(states.dtype))
    _expect(states.shape[1] and states.shape[3], name, f"shape {shape}, none of K and {shape[-2]} 0", _shape(states))


def check_shapes(states: Tensor, name: str, shape: str, baseline_nll: Tensor, mask: Tensor) -> None:
    """Raises ValueError unless ``states`` [B,K,T,...], ``baseline_nll`` [B,T] and ``mask`` [B,T] agree."""
    check_states(states, name, shape)
    batch, latents, positions, _ = states.shape
    for tensor, its in ((baseline_nll, "baseline_nll"), (mask, "mask")):
        _expect_tensor(tensor, its)
        expected = f"shape [B,T] = [{batch}, {positions}], as {name} {shape} has it"
        swapped = tensor.shape == (batch, latents)
        hint = f" (is {name} [B,T,K,...]? latents come second: movedim(2, 1))" if swapped else ""
        _expect(tensor.shape == (batch, positions), its, expected, f"shape {_shape(tensor)}{hint}")
        _expect(tensor.device == states.device, its, f"device {states.device}, that of {name}", str(tensor.device))
    _expect(baseline_nll.is_floating_point(), "baseline_nll", "floating point", str(baseline_nll.dtype))
    _expect(not mask.is_complex(), "mask", "booleans or numbers, 1 where a token counts", str(mask.dtype))


def check_head(hidden: Tensor, head: Tensor) -> None:
    """Raises ValueError unless ``head`` is [V,D] of the states' width and dtype."""
    _expect_tensor(head, "head")
    expected = f"shape [V,D] with D = {hidden.shape[-1]}, as hidden_by_latent has it"
    _expect(head.dim() == 2 and head.shape[-1] == hidden.shape[-1], "head", expected, f"shape {_shape(head)}")
    _expect(head.dtype == hidden.dtype, "head", f"{hidden.dtype}, that of hidden_by_latent", str(head.dtype))
    _expect(head.device == hidden.device, "head", f"device {hidden.device}", str(head.device))


def check_targets(target: Tensor, states: Tensor, vocabulary: int) -> None:
    """Raises ValueError unless ``target`` [B,T] holds integers of the vocabulary."""
    _expect_tensor(target, "target")
    expected = f"shape [B,T] = [{states.shape[0]}, {states.shape[2]}]"
    _expect(target.shape == (states.shape[0], states.shape[2]), "target", expected, f"shape {_shape(target)}")
    _expect(target.dtype == torch.int64, "target", "torch.int64 (target.long())", str(target.dtype))
    if target.numel():
        low, high = int(target.min()), int(target.max())
        found = f"tokens from {low} to {high}"
        if low == IGNORED:
            found += f" (is {IGNORED} padding? put any token there, target.clamp(min=0), and leave it out by a mask)"
        _expect(low >= 0 and high < vocabulary, "target", f"tokens from 0 to {vocabulary - 1}", found)


@torch.no_grad()
def check_logits(logits: Tensor) -> None:
    """Raises ValueError for probabilities in their place. Looks at one distribution, and at all only if it is one."""
    looks_like_it = logits.numel() > 0 and logits.shape[-1] > 1 and _are_probabilities(logits[:1, :1, :1])
    expected = "logits or log-probabilities"
    if looks_like_it and _are_probabilities(logits):
        _expect(False, "logits_by_latent", expected, "probabilities, at least 0 with sums of 1 (give their log)")


def _are_probabilities(tensor: Tensor) -> bool:
    sums = tensor.sum(-1, dtype=torch.float32)
    return bool((tensor >= 0).all() & ((sums - 1).abs() < ROUNDING).all())


@torch.no_grad()
def check_values(baseline_nll: Tensor, mask: Tensor, jsd: Tensor, **made_from: Tensor) -> None:
    """Raises ValueError for a mask outside [0, 1], an NLL that is none, or states that give no divergence.

    One look at [B,T] numbers where all is well: only a divergence that is not finite has its cause looked for.
    """
    nll, mask = baseline_nll.float(), mask.float()
    counts = mask > 0
    wrong_mask = ~((mask >= 0) & (mask <= 1))
    wrong_nll = counts & ~((nll >= -ROUNDING) & nll.isfinite())
    wrong_jsd = counts & ~jsd.isfinite()
    if not bool((wrong_mask | wrong_nll | wrong_jsd).any()):
        return
    _expect(not wrong_mask.any(), "mask", "values from 0 to 1, 1 where a token counts", _values(mask, wrong_mask))
    hint = " (log-probabilities? the NLL is minus these)" if bool((nll[wrong_nll] < 0).any()) else ""
    _expect(
        not wrong_nll.any(), "baseline_nll", "finite numbers, at least 0, where mask is 1",
        _values(nll, wrong_nll) + hint,
    )  # fmt: skip
    for name, states in made_from.items():
        odd = ~states.isfinite()
        expected = "finite numbers (a forbidden token has the logit torch.finfo(dtype).min / 2)"
        half = states.dtype == torch.float16 and bool(states.isinf().any())
        hint = " (float16 ends at 65504: bfloat16 or float32 for what is greater)" if half else ""
        _expect(not odd.any(), name, expected, _values(states, odd) + hint)
    first = f"[b, t] = {wrong_jsd.nonzero()[0].tolist()}"
    found = f"{float(jsd[wrong_jsd][0])} at {first}"
    if any(states.dtype == torch.float16 for states in made_from.values()):
        found += " (does their product pass 65504, where float16 ends? bfloat16 or float32 then)"
    _expect(False, " and ".join(made_from), "logits with a finite divergence", found)


def _values(tensor: Tensor, wrong: Tensor) -> str:
    found = sorted({str(value) for value in tensor[wrong][:1000].tolist()})
    more = "" if len(found) <= 3 else ", ..."
    return f"{', '.join(found[:3])}{more} at {int(wrong.sum())} of {wrong.numel()} places"


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))


def _expect_tensor(value: object, name: str) -> None:
    _expect(isinstance(value, Tensor), name, "a torch.Tensor", type(value).__name__)


def _expect(right: object, name: str, expected: str, found: str) -> None:
    if not right:
        raise ValueError(f"{name}: expected {expected}, found {found}")
