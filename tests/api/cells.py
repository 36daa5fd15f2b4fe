"""Cells of a notebook without Jupyter: compiled under a name that is no file, with their text where Python looks."""

from __future__ import annotations

import linecache
import textwrap
from itertools import count
from typing import Any

_numbers = count(1)


class Cells:
    """A notebook: cells that share their globals, as IPython's kernel runs them."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}

    def run(self, text: str) -> dict[str, Any]:
        """Run a cell. Returns the variables of the notebook."""
        text, name = textwrap.dedent(text), f"/tmp/ipykernel_0/{next(_numbers)}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), self.variables)
        return self.variables
