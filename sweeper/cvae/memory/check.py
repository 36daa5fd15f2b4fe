"""Whether a training fits the memory of its device, and what to change where it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sweeper.cvae.config import CVAEConfig, TrainConfig, build
from sweeper.cvae.data.problem import DataError
from sweeper.cvae.memory.available import cpu_bytes, gpu_bytes
from sweeper.cvae.memory.estimate import MemoryEstimate, estimate_memory
from sweeper.cvae.memory.task_sizes import task_sizes

BATCH, PROMPTS, WIDTH = "train.batch_size", "train.test_prompts", "model.width"
PARTS = "train.gradient_accumulation_steps"


class MemoryShortage(NamedTuple):
    """A training that does not fit: the setting to change first, and what was found, allowed and advised, as text."""

    key: str
    found: str
    allowed: str
    hint: str

    def __str__(self) -> str:
        return f"{self.key}: found {self.found}, allowed: {self.allowed}; {self.hint}"


def refused(
    trials: Iterable[Mapping[str, object]], pack: int | None, gpu: float, at_once: int
) -> MemoryShortage | None:
    """The trial that exceeds this machine's memory the most, if any does, in ``at_once`` packs like it.

    ``pack`` is the number of trials of a pack (None: one has to fit), ``gpu`` the share of a GPU that a pack gets.
    None also where the memory of the device is not known.
    """
    worst: MemoryShortage | None = None
    most, free = 0.0, {"cpu": cpu_bytes(), "cuda": gpu_bytes() if gpu else None}
    for params in trials:
        try:
            config = build({name: value for name, value in params.items() if name != "seed"})
            device = "cuda" if gpu and config.train.device != "cpu" else "cpu"
            needed = estimate_memory(config, pack or 1, device).total
        except (DataError, ValueError, OSError):  # refused elsewhere, with more to say
            continue
        packs, available = (at_once if device == "cpu" else min(at_once, max(1, int(1 / gpu)))), free[device]
        if available is not None and needed > most:
            most, worst = needed, shortage(config, pack or 1, available, device, packs) or worst
    return worst


def shortage(
    config: CVAEConfig, members: int, available: float, device: str, at_once: int = 1
) -> MemoryShortage | None:
    """Why ``at_once`` packs of so many trials do not fit into ``available`` bytes; None where they do."""
    needed = estimate_memory(config, members, device)
    if at_once * needed.total <= available:
        return None
    where = "available on this machine" if device == "cpu" else "free on the GPU"
    limit = f"at most the {_gb(available)} {where}"
    if needed.total <= available:
        found = f"{at_once} packs at once, about {_gb(needed.total)} each"
        fits = f"resources.max_concurrent: {int(available // needed.total)}"
        return MemoryShortage("resources.max_concurrent", found, limit, fits)
    return MemoryShortage(_largest(needed), _text(config, needed), limit, _advice(config, members, available, device))


def most_members(config: CVAEConfig, available: float, device: str, most: int) -> int:
    """How many trials fit into ``available`` bytes together, ``most`` at most. Raises ValueError if not one does."""
    if (too_much := shortage(config, 1, available, device)) is not None:
        raise ValueError(str(too_much))
    one, two = (estimate_memory(config, members, device).total for members in (1, 2))
    fits = most if two <= one else min(most, 1 + int((available - one) / (two - one)))
    while fits > 1 and estimate_memory(config, fits, device).total > available:
        fits -= max(1, fits // 10)
    return max(1, fits)


def _parts(needed: MemoryEstimate) -> dict[str, float]:
    return {BATCH: needed.step, PROMPTS: needed.evaluation, WIDTH: needed.parameters}


def _largest(needed: MemoryEstimate) -> str:
    parts = _parts(needed)
    return max(parts, key=lambda key: parts[key])


def _text(config: CVAEConfig, needed: MemoryEstimate) -> str:
    """How much is needed, and for what."""
    sizes, train = task_sizes(config.task), config.train
    trials = "a trial" if needed.members == 1 else f"a pack of {needed.members} trials"
    of = f"{trials} with K {config.model.latents}, T {sizes.trace_length}, V {sizes.trace_vocabulary}"
    parts = train.gradient_accumulation_steps
    step = f"a step of {train.batch_size} examples{f' in {parts} parts' * (parts > 1)} {_gb(needed.step)}"
    evaluation = f"an evaluation of {min(train.test_prompts, sizes.prompts)} prompts {_gb(needed.evaluation)}"
    parameters = f"parameters and optimizer {_gb(needed.parameters)}"
    return f"about {_gb(needed.total)} for {of} ({step}, {evaluation}, {parameters})"


def _advice(config: CVAEConfig, members: int, available: float, device: str) -> str:
    """Settings with which it would fit: fewer trials in a pack, then halves of what needs most."""
    changed: dict[str, int] = {}
    needed = estimate_memory(config, members, device)
    if members > 1:
        one = estimate_memory(config, 1, device)
        if one.total <= available:
            fits = most_members(config, available, device, members)
            return f"resources.pack: {fits} needs about {_gb(estimate_memory(config, fits, device).total)}"
        changed["resources.pack"], needed, members = 1, one, 1
    while needed.total > available:
        halved = _halved(config.train, _largest(needed))
        if halved is None:
            return "smaller model.latents, model.width or model.depth, shorter targets or a smaller vocabulary"
        key, train = halved
        config = dataclasses.replace(config, train=train)
        changed[key], needed = getattr(train, key.partition(".")[2]), estimate_memory(config, members, device)
    return f"{', '.join(f'{key}: {value}' for key, value in changed.items())} needs about {_gb(needed.total)}"


def _halved(train: TrainConfig, key: str) -> tuple[str, TrainConfig] | None:
    """Half of what needs most, and its setting: a batch in twice as many parts gives the same numbers."""
    parts = 2 * train.gradient_accumulation_steps
    if key == BATCH and train.batch_size % parts == 0:
        return PARTS, dataclasses.replace(train, gradient_accumulation_steps=parts)
    if key == PROMPTS and train.test_prompts > 1:
        return PROMPTS, dataclasses.replace(train, test_prompts=train.test_prompts // 2)
    return None


def _gb(number: float) -> str:
    return f"{number / 1e9:.3g} GB"
