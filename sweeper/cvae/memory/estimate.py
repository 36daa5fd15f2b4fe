"""The memory that a training takes at its peak, from its settings: parameters, optimizer, activations, evaluation.

Each phase is a list of the large tensors that it holds at once, counted by reading the code and compared with measured
peaks (SIZES.md). Phases follow one another, and what one has freed the next uses: on a CPU only in part,
because glibc gives back at once what is larger than 32 MiB and keeps the rest, see ``keep_freed_memory``.
Shapes: K latents, T target positions, J positions read, V vocabulary, D width, F hidden units, W parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.memory.task_sizes import TaskSizes, task_sizes
from sweeper.cvae.networks.kernels import FUSED_ABOVE, GATHERED_ABOVE
from sweeper.cvae.terms import LOOKAHEAD

FLOAT = 4  # bytes
MAPPED = 32 << 20  # bytes: an allocation above this is mapped by itself, and given back when it is freed
EVALUATED = {"cpu": 1, "cuda": 64}  # members evaluated at once: on a CPU one fills the cache
SCORED = {"cpu": 192, "cuda": 65_536}  # examples scored at once, of all members
BASELINES = {"cpu": 16, "cuda": 64}  # trained at once
SCATTERED = 1.75  # a heap in which results of parts lie between what they freed, over one that has no gaps: measured
CHUNK = 8192  # examples drawn ahead
KEPT_NLL = 256e6  # bytes of baselines' results that are kept


class Tensors(NamedTuple):
    """Some tensors of one size: how many are held at once, and the numbers in each."""

    held: float
    size: float

    @property
    def bytes(self) -> float:
        """Of all of them."""
        return FLOAT * self.held * self.size


class MemoryEstimate(NamedTuple):
    """Bytes at the peak of a training of so many members, by what holds them."""

    members: int
    parameters: float
    examples: float
    step: float
    evaluation: float
    total: float


def estimate_memory(config: CVAEConfig, members: int = 1, device: str = "cpu") -> MemoryEstimate:
    """What ``members`` trials with these settings take together. Raises DataError for files that cannot be read."""
    sizes = task_sizes(config.task)
    step = list(_step(config, sizes, members))
    before = list(_baseline(config, sizes, min(members, BASELINES[device])))
    after = list(_evaluation(config, sizes, min(members, EVALUATED[device]), device))
    kept = FLOAT * _parameters(config, sizes) * (10 * members + 3)
    examples = _examples(config, sizes, members)
    kinds = (False, True) if device == "cpu" else (None,)  # a GPU's allocator gives everything to the next phase
    most = {mapped: max(_bytes(phase, mapped) for phase in (step, before, after)) for mapped in kinds}
    scattered = SCATTERED if config.train.gradient_accumulation_steps > 1 else 1.0
    shared = sum(scattered * held if mapped is False else held for mapped, held in most.items())
    return MemoryEstimate(members, kept, examples, _bytes(step), _bytes(after), kept + examples + shared)


def _bytes(phase: Iterable[Tensors], mapped: bool | None = None) -> float:
    return sum(each.bytes for each in phase if mapped is None or (FLOAT * each.size > MAPPED) is mapped)


def largest_tensor(config: CVAEConfig, members: int) -> float:
    """Bytes of the largest tensor in a step of so many members."""
    return FLOAT * max(each.size for each in _step(config, task_sizes(config.task), members))


def _parameters(config: CVAEConfig, sizes: TaskSizes) -> int:
    """W: of all networks."""
    return sum(parameter_counts(config, sizes).values())


def parameter_counts(config: CVAEConfig, sizes: TaskSizes) -> dict[str, int]:
    """How many parameters each network has."""
    model, tokens = config.model, sizes.prompt_vocabulary + sizes.trace_vocabulary

    def reader(width: int, depth: int, positions: int) -> int:
        return (tokens + positions) * width + depth * 8 * width * width

    width, seen = model.router_width, sizes.positions
    baseline = reader(model.baseline_width, model.baseline_depth, seen - 1)
    head = sizes.trace_vocabulary * model.baseline_width
    generator = reader(model.width, model.depth, seen - 1)
    counts = {
        "generator": generator + model.hidden * (model.width + model.latents + sizes.trace_vocabulary),
        "baseline": baseline + head,
    }
    if model.router == "network":
        counts["router"] = reader(width, model.router_depth, seen) + model.latents * width
    if model.prior == "learned":
        counts["prior"] = model.latents
    elif model.prior == "conditional":
        rows = sizes.prompt_vocabulary + 1 + sizes.prompt_length + model.latents
        counts["prior"] = rows * width + 8 * width * width
    if _looks_ahead(config):
        counts["lookahead"] = baseline + head + 2 * model.baseline_width**2
    return counts


def _looks_ahead(config: CVAEConfig) -> bool:
    return LOOKAHEAD in (config.loss.token_weighting, config.loss.reconstruction_weighting)


def _examples(config: CVAEConfig, sizes: TaskSizes, members: int) -> float:
    """Bytes of the examples and baseline NLLs drawn ahead, per member, and of those kept."""
    train = config.train
    drawn = max(CHUNK, train.batch_size)
    token = 1 if max(sizes.prompt_vocabulary, sizes.trace_vocabulary) <= 256 else 4
    tokens, nll = drawn * sizes.positions * token, drawn * sizes.trace_length * FLOAT
    chunks = min(16 * members, -(-train.steps * train.batch_size // drawn))
    return members * 2 * (tokens + nll) + chunks * tokens + min(KEPT_NLL, chunks * nll * members)


def _reading(tokens: float, sizes: TaskSizes, width: int, depth: int, heads: int, saved: bool) -> Iterator[Tensors]:
    """What a transformer holds of ``tokens`` sequences: streams, scores of attention, indicator vectors."""
    blocks = depth if saved else 1
    yield Tensors(14 * blocks + 4, tokens * sizes.positions * width)
    if sizes.positions > FUSED_ABOVE:  # no scores, a mask per example where prompts have padding
        yield Tensors(2, tokens * sizes.positions**2)
    else:
        yield Tensors(3.5 * blocks if saved else 2, tokens * heads * sizes.positions**2)
    if sizes.prompt_vocabulary <= GATHERED_ABOVE:
        yield Tensors(1.25, tokens * sizes.prompt_length * sizes.prompt_vocabulary)
    if sizes.trace_vocabulary <= GATHERED_ABOVE:
        yield Tensors(1.25, tokens * sizes.trace_length * sizes.trace_vocabulary)


def _step(config: CVAEConfig, sizes: TaskSizes, members: int) -> Iterator[Tensors]:
    """Forward and backward through generator and router."""
    model, batch = config.model, members * config.train.batch_size / config.train.gradient_accumulation_steps
    per_latent = batch * model.latents * sizes.trace_length
    yield Tensors(6.5, per_latent * sizes.trace_vocabulary)
    yield Tensors(3, per_latent * model.hidden)
    yield from _reading(batch, sizes, model.width, model.depth, model.heads, saved=True)
    if model.router == "network":
        yield from _reading(batch, sizes, model.router_width, model.router_depth, 1, saved=True)


def _baseline(config: CVAEConfig, sizes: TaskSizes, together: int) -> Iterator[Tensors]:
    """Forward and backward through the z-free models."""
    model, batch = config.model, together * config.train.batch_size / config.train.gradient_accumulation_steps
    for _ in range(2 if _looks_ahead(config) else 1):
        yield Tensors(6, batch * sizes.trace_length * sizes.trace_vocabulary)
        yield from _reading(batch, sizes, model.baseline_width, model.baseline_depth, model.heads, saved=True)


def _evaluation(config: CVAEConfig, sizes: TaskSizes, members: int, device: str) -> Iterator[Tensors]:
    """Scores of all evaluated examples, or of as many sampled outputs; free-running outputs under every latent."""
    model, prompts = config.model, min(config.train.test_prompts, sizes.prompts)
    example = model.latents * sizes.trace_length * sizes.trace_vocabulary
    whole, sampled = members * prompts * sizes.examples_per_prompt, members * min(64, prompts) * model.latents
    chunk = min(SCORED[device], max(whole, sampled))
    yield Tensors(6, chunk * example)
    rest = max(whole * 5, whole + sampled * 2) - chunk * 6
    if rest > 0:
        yield Tensors(rest / max(whole, sampled), max(whole, sampled) * example)
    yield Tensors(2, chunk * model.latents * sizes.trace_length * model.hidden)
    yield from _reading(chunk, sizes, model.width, 1, model.heads, saved=False)
    yield Tensors(4 * model.depth, members * prompts * model.latents * sizes.positions * model.width)
    if sizes.knows_next_tokens:
        yield Tensors(4.5, prompts * sizes.examples_per_prompt * sizes.trace_length * sizes.trace_vocabulary)
