"""Whether a function can be called as a trainer, `function(params, report)`, judged without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

OFFERED = ("directory", "checkpoint")  # given by name to a trainer that takes them


def objection(function: Callable[..., object]) -> tuple[str, str]:
    """Why a trainer would fail in every trial, and a hint; ("", "") where it can be called."""
    call = inspect.unwrap(function) if inspect.isroutine(function) else type(function).__call__
    if isinstance(function, type):
        return "a class is no trainer", "write a function that makes the object and trains it"
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        return "an async function is no trainer: calling it trains nothing", "call asyncio.run(...) in a plain function"
    if inspect.isgeneratorfunction(call):
        return "a generator is no trainer: calling it trains nothing", "call report(step, metrics) instead of yield"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions of C do not tell
        return "", ""
    try:
        signature.bind(None, None, **{name: None for name in OFFERED if name in signature.parameters})
    except TypeError as error:
        hint = "a trainer takes its settings and report by position; one that parses a command line needs a wrapper"
        return f"it cannot be called as function(params, report): {error}, its signature is {signature}", hint
    return "", ""
