"""What every contender trains: the same two functions, over the same grids, given as JSON: ``{"x": [1, 2, 3]}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Report = Callable[[int, Mapping[str, float]], object]
STORE = "sqlite:///mlflow.db"  # in the working folder of the contender


def noop(params: Mapping[str, object], report: Report) -> None:
    """A trial that costs nothing: what is left is what the tool costs."""
    report(1, {"score": float(params["x"])})  # type: ignore[arg-type]


def cvae(params: Mapping[str, object], report: Report) -> None:
    """The bundled trainer, alone in its process as any function is."""
    import torch

    from sweeper.cvae.training.train import train

    torch.set_num_threads(1)
    train(params, report)


TRAINERS = {"noop": noop, "cvae": cvae}
