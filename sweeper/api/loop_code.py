"""Which code a loop over `sweeper.open` trains with: the body of its `for` statement, and what that refers to."""

from __future__ import annotations

import ast
from pathlib import Path
from types import FrameType

from sweeper.errors import Problem, UsageError
from sweeper.trainer import source_text
from sweeper.trainer.given import LOOP
from sweeper.trainer.live_code import statements_digest
from sweeper.trainer.trainer import Trainer

DECLARE = "iterate in a for statement of a file or a cell, or say what trains: trainer='my_module:train'"


def users_frame(frame: FrameType) -> FrameType:
    """The frame itself, or the nearest one above it that is of no installed package: a loop may be over `tqdm(...)`."""
    found: FrameType | None = frame
    while found is not None and source_text.is_installed(Path(found.f_code.co_filename)):
        found = found.f_back
    return found or frame


def loop_name(frame: FrameType) -> str:
    """The name of a loop as a trainer: by its file, or that it is of a notebook."""
    file = Path(frame.f_code.co_filename)
    return f"{LOOP}{file.name if file.is_file() else 'notebook'}"


def loop_trainer(name: str, frame: FrameType) -> Trainer:
    """The body of the loop that `frame` begins now, as a trainer. Raises UsageError where it cannot be known."""
    code, text = frame.f_code, source_text.text_of(frame.f_code.co_filename)
    loop = _loop_at(ast.parse(text), _place(frame)) if text else None
    if loop is None:
        raise UsageError(Problem("the code of this loop cannot be found", code.co_filename, hint=DECLARE))
    if Path(code.co_filename).is_file():
        source_text.check_compiled_from(code, text)
    body = ast.For(loop.target, ast.Constant(None), loop.body, loop.orelse, lineno=1)  # over whatever it iterates
    digest = statements_digest([body], {**frame.f_globals, **frame.f_locals}, frame.f_globals)
    return Trainer(name, name, None, None, lambda params: [], lambda params: [], code=digest)


def _place(frame: FrameType) -> tuple[int, int]:
    """Line and column of the instruction that a frame executes."""
    line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    return line or frame.f_lineno, column or 0


def _loop_at(tree: ast.Module, place: tuple[int, int]) -> ast.For | None:
    """The innermost `for` statement that asks for its iterator at a place: in that expression, or where it begins."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
    here = [node for node in loops if _start(node) == place or _start(node.iter) <= place <= _end(node.iter)]
    return max(here, key=lambda node: _start(node.iter), default=None)


def _start(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
