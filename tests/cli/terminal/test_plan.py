"""How a plan looks in a terminal of any width."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from sweeper.cli.terminal.plan import print_plan
from tests.planning.test_plan import make

WIDE = """\
name: toy
trainer: cvae
base: {model.prior: learned}
parameters:
  train.learning_rate: {values: [0.0001234, 0.01]}
  loss.token_weighting: {values: [baseline, posterior]}
  train.optimizer: {values: [adamw, muon]}
"""


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (200, ""),
        (56, "action"),
        (45, "optimizer, action"),
        (25, "token_weighting, optimizer, action"),
        (14, "learning_rate, token_weighting, optimizer, action"),
    ],
)
def test_a_narrow_terminal_leaves_out_whole_columns_and_says_which(folder: Path, width: int, left_out: str) -> None:
    (folder / "toy.yaml").write_text(WIDE)
    plan = make(folder / "toy.yaml")
    console = Console(file=io.StringIO(), width=width)
    print_plan(console, plan)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    (row,) = [line.split() for line in lines if line.startswith(plan.items[0].trial.key[:8])]
    whole = [plan.items[0].trial.key[:8], "0.0001234", "baseline", "adamw", "0", "to", "run:", "new"]
    assert set(row) <= set(whole)
    assert ("new" in row, "adamw" in row, "baseline" in row) == (
        "action" not in left_out,
        "optimizer" not in left_out,
        "weighting" not in left_out,
    )
    said = "".join("".join(lines).split())
    assert (f"noroomfor{left_out}:".replace(" ", "") in said) == (left_out not in ("", "action"))
