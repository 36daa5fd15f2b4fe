"""MLflow's own UI on the store of a results folder: a child process on loopback that ends with us."""

from __future__ import annotations


def serve(uri: str, artifacts: str, host: str, port: int) -> None:
    raise NotImplementedError
