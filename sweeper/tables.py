"""Data frames as files and text: CSV, JSON, Markdown, Parquet. The same frame gives the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import pandas as pd

from sweeper.errors import LedgerError, Problem, UsageError


class Format(StrEnum):
    """What `sweeper export` can write."""

    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
    PARQUET = "parquet"


def select(frame: pd.DataFrame, columns: Sequence[str], sort: Sequence[str]) -> pd.DataFrame:
    """The named columns only (all without names), rows by `sort` (`-name` descending). UsageError for unknown names."""
    wanted = [name.removeprefix("-") for name in sort]
    unknown = [name for name in (*columns, *wanted) if name not in frame.columns]
    if unknown:
        raise UsageError(Problem("no such column", "", "", ", ".join(unknown), ", ".join(frame.columns)))
    if wanted:
        ascending = [not name.startswith("-") for name in sort]
        frame = frame.sort_values(wanted, ascending=ascending, kind="stable")
    return frame[list(columns)] if columns else frame


def text(frame: pd.DataFrame, form: Format) -> str:
    """The frame as text. Numbers are written so that reading them back gives the same number; nothing is rounded."""
    if form is Format.CSV:
        return frame.to_csv(index=False, lineterminator="\n")
    rows = [[_plain(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    if form is Format.JSON:
        records = [dict(zip(frame.columns, row, strict=True)) for row in rows]
        return json.dumps({"schema_version": 1, "rows": records}, indent=1, allow_nan=False) + "\n"
    head = [list(frame.columns), ["---"] * len(frame.columns)]
    body = [["" if value is None else str(value).replace("|", "\\|") for value in row] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (*head, *body))


def write(frame: pd.DataFrame, form: Format, path: Path) -> None:
    """Write the frame to a file, as a whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        if form is Format.PARQUET:
            frame.to_parquet(beside, index=False)
        else:
            beside.write_text(text(frame, form), encoding="utf-8", newline="")
        beside.replace(path)
    except OSError as error:
        raise LedgerError(Problem(f"cannot be written: {error.strerror}", str(path))) from error
    finally:
        beside.unlink(missing_ok=True)


def _plain(value: object) -> object:
    """A cell as JSON takes it: no NaN, no numpy types."""
    value = value.item() if hasattr(value, "item") else value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
