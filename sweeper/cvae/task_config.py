"""The settings of the tasks: ``task.*``. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweeper.cvae.settings import setting

STYLE_TOKENS = 8  # size of the alphabet of nuisance tokens; their entropy is at most ln 8
OPERATORS, DETOUR, SUM, SORT, FILE = "operator_order", "detour", "ordered_sum", "sort_trace", "file"
ENUMERATED = (OPERATORS, DETOUR, SUM)


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """Which task, and its knobs."""

    name: str = setting(OPERATORS, "the task: what x, y and a strategy are", choices=(*ENUMERATED, SORT, FILE))
    modulus: int = setting(
        8, "numbers are taken modulo this", low=3, high=32, only_when=(("task.name", (OPERATORS, DETOUR)),)
    )
    operators: int = setting(
        3, "commuting operators to order; n! strategies", low=2, high=4, only_when=(("task.name", (OPERATORS,)),)
    )
    reveal: str = setting(
        "marker",
        "whether the trace begins with a token naming its detour (implicit is the negative control)",
        choices=("marker", "implicit"),
        only_when=(("task.name", (DETOUR,)),),
    )
    length: int = setting(5, "distinct digits in x", low=4, high=7, only_when=(("task.name", (SUM,)),))
    emit: str = setting(
        "position",
        "what the trace names at a visit: the operand's position or its value (a rival for the latent)",
        choices=("position", "value"),
        only_when=(("task.name", (SUM,)),),
    )
    mixture: str = setting(
        "positional",
        "visiting orders used: 6 by position; mixed, 4 by position and 2 by value; all 8",
        choices=("positional", "mixed", "all"),
        only_when=(("task.name", (SUM,)),),
    )
    path: str | None = setting(
        None,
        "JSONL, CSV or Parquet with prompt, target and, if known, strategy, split, weight; or a pattern of such",
        accepts=lambda value: value is None or (isinstance(value, str) and value != ""),
        allowed_text="a path or a pattern",
        only_when=(("task.name", (FILE,)),),
        added=True,
    )
    tokenizer: str = setting(
        "whitespace",
        "how text becomes tokens; lists are taken as they are",
        accepts=lambda value: isinstance(value, str) and value != "",
        allowed_text="whitespace, characters, bytes, or a JSON file of the tokenizers library",
        only_when=(("task.name", (FILE,)),),
        added=True,
    )
    checker: str | None = setting(
        None,
        "function(prompt tokens, output tokens) that says whether an output is right; null: it is one of the targets",
        accepts=lambda value: value is None or (isinstance(value, str) and value.count(":") == 1),
        allowed_text="null or module:function",
        only_when=(("task.name", (FILE,)),),
        added=True,
    )
    longest: int = setting(
        8, "most digits in x; lists have 5 to so many", low=5, high=10, only_when=(("task.name", (SORT,)),), added=True
    )
    strategies: int = setting(0, "how many of the task's strategies are used; 0: its usual number", low=0, high=31)
    skew: float = setting(0.0, "p(s|x) falls by exp(-skew) from one strategy to the next", low=0, high=10)
    skew_by: str = setting(
        "global", "whether the commonest strategy is the same for every x or turns with x", choices=("global", "prompt")
    )
    nuisance_tokens: int = setting(
        0,
        "style tokens in the trace, independent of the strategy",
        low=0,
        high=4,
        only_when=(("task.name", ENUMERATED),),
    )
    nuisance_entropy: float = setting(
        1.0, "entropy of each style token, nats", low=0, high=math.log(STYLE_TOKENS) + 1e-9
    )
    nuisance_place: str = setting(
        "before",
        "where style tokens stand: before the trace, behind its first token, before its last one, or one style for "
        "all of them, the first half before the trace and the rest before its last token",
        choices=("before", "between", "after", "repeated"),
        only_when=(("task.name", ENUMERATED),),
        added=True,
    )
