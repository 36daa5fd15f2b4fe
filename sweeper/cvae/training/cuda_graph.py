"""Work done again and again on the same tensors.

On a GPU it is recorded once as a CUDA graph and replayed: a thousand launches become one; its products are computed in
TF32, with which 64 seeds had the same final metrics.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch

WARM_UP = 3  # times before the one that is recorded


class CudaGraphRunner:
    """Work that changes its tensors in place, always the same ones, and never waits for the device."""

    def __init__(self, device: torch.device, work: Callable[[], None]) -> None:
        self.work = work
        self.records = device.type == "cuda"
        self.graph: torch.cuda.CUDAGraph | None = None
        self.done = 0

    def run(self, times: int) -> None:
        """Does the work so many times. Raises torch.cuda.OutOfMemoryError."""
        for _ in range(times):
            if self.graph is not None:
                self.graph.replay()
            elif self.records:
                self._do_beside()
                self.graph = self._recorded() if self.done >= WARM_UP else None
            else:
                self.work()

    def _do_beside(self) -> None:
        """On a stream of its own, which PyTorch requires before a graph is recorded."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), tf32():
            self.work()
        torch.cuda.current_stream().wait_stream(stream)
        self.done += 1

    def _recorded(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph), tf32():
            self.work()
        return graph


@contextlib.contextmanager
def tf32() -> Iterator[None]:
    """Products of float32 matrices on a GPU in TF32, for a while."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
