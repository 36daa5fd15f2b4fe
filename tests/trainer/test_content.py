"""Objects by their content: in another process, at another address, the digest is the same."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from sweeper.trainer.content import content_digest


def linear(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Linear(2, 3)


@pytest.mark.parametrize(
    "make",
    [
        linear,
        lambda seed: torch.full((2,), seed, dtype=torch.bfloat16),
        lambda seed: torch.Generator().manual_seed(seed),
        lambda seed: pd.DataFrame({"a": [seed, 2], "b": ["x", "y"]}),
        lambda seed: {"rng": np.random.default_rng(seed), "log": logging.getLogger("x"), "set": {"a", "b", seed}},
    ],
)
def test_equal_content_is_equal_and_other_content_is_not(make: Callable[[int], object]) -> None:
    assert content_digest(make(3)) == content_digest(make(3)) != content_digest(make(4))


def test_the_digest_is_that_of_every_process() -> None:
    code = "import torch; from sweeper.trainer.content import content_digest as c; print(c(torch.arange(3.0)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == content_digest(torch.arange(3.0)), done.stderr
