"""Data frames as files and text: CSV, JSON, Markdown, Parquet, LaTeX, HTML. The same frame gives the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from sweeper.analysis.columns import BOOKKEEPING
from sweeper.analysis.frames import cell_value
from sweeper.errors import LedgerError, Problem, UsageError, did_you_mean, some_of
from sweeper.ledger import atomic
from sweeper.reporting.tables import markup
from sweeper.reporting.tables.markup import Cell, StyledTable
from sweeper.spec.space.expressions import UnknownName, condition
from sweeper.spec.space.tokens import ExpressionError
from sweeper.trial import Value
from sweeper.value_text import exact, show


class Format(StrEnum):
    """What `sweeper export` can write as a table."""

    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
    PARQUET = "parquet"
    LATEX = "latex"
    HTML = "html"


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARKUP = {Format.MARKDOWN: markup.markdown, Format.LATEX: markup.latex, Format.HTML: markup.page}


def select(
    frame: pd.DataFrame, columns: Sequence[str], sort: Sequence[str], absent: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """The named columns only (all without names), rows by `sort` (`-name` descending).

    Raises UsageError for unknown names, with the reason where `absent` has it.
    """
    wanted = [name.removeprefix("-") for name in sort]
    unknown = [name for name in (*columns, *wanted) if name not in frame.columns]
    if unknown:
        raise UsageError(_no_such_column(frame, "", unknown, absent))
    if wanted:
        ascending = [not name.startswith("-") for name in sort]
        frame = frame.sort_values(wanted, ascending=ascending, kind="stable")
    return frame[list(columns)] if columns else frame


def _no_such_column(frame: pd.DataFrame, key: str, names: Sequence[str], absent: Mapping[str, str]) -> Problem:
    reasons = (absent.get(name) or absent.get(name.rpartition(".")[0]) for name in names)  # NAME.mean is of NAME
    hint = next(filter(None, reasons), "") or did_you_mean(names[0], list(frame.columns))
    return Problem("no such column", "", key, ", ".join(names), some_of([*frame.columns], 40), hint)


def filtered(frame: pd.DataFrame, where: str, absent: Mapping[str, str] = MappingProxyType({})) -> pd.DataFrame:
    """The rows where a condition on columns holds; a row without a value that it reads is left out.

    Raises UsageError for what is no condition, or reads no column, with the reason where `absent` has it.
    """
    try:
        expression = condition(where)
    except ExpressionError as error:
        raise UsageError(Problem(str(error), "", "--where", where)) from None
    if unknown := [name for name in expression.names if name not in frame.columns]:
        raise UsageError(_no_such_column(frame, "--where", unknown, absent))
    names = list(expression.names)
    rows = [{str(n): _plain(v) for n, v in row.items()} for row in frame[names].to_dict("records")]
    try:
        kept = [None not in row.values() and expression.holds(row) for row in rows]
    except (ExpressionError, UnknownName) as error:
        raise UsageError(Problem(str(error), "", "--where", where)) from None
    return frame[kept] if names else frame if expression.holds({}) else frame[:0]


def text(frame: pd.DataFrame, form: Format, note: str = "") -> str:
    """The frame as text. Numbers are written so that reading them back gives the same number; nothing is rounded.

    In a CSV, values of parameters are written as in `value_text.exact`, truth values as True and False, and a cell is
    empty for null and for what a trial does not have. Text that a spreadsheet would take for a formula is in quotes.

    `note` names its source: a comment, a field of the JSON; a CSV has no place for it that readers skip.
    """
    if form is Format.CSV:
        return _csv(frame).to_csv(index=False, lineterminator="\n")
    rows = [[_plain(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    if form is Format.JSON:
        records = [dict(zip(frame.columns, row, strict=True)) for row in rows]
        document = {"schema_version": 1, **({"source": note} if note else {}), "rows": records}
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    parameters = [_is_parameter(frame, name) for name in frame.columns]
    cells = [[_cell(value, own) for value, own in zip(row, parameters, strict=True)] for row in rows]
    return MARKUP[form](StyledTable([*frame.columns], cells, note=note))


def write(frame: pd.DataFrame, form: Format, path: Path, note: str = "") -> None:
    """Write the frame to a file, as a whole or not at all."""
    if form is not Format.PARQUET:
        write_text(text(frame, form, note), path)
        return
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]

    table = pa.Table.from_pandas(_typed(frame), preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"sweeper": note.encode()})
    _replace(path, lambda temporary: parquet.write_table(table, temporary))


def write_text(text: str, path: Path) -> None:
    """Write a text to a file, as a whole or not at all."""
    _replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline=""))


def _replace(path: Path, put: Callable[[Path], object]) -> None:
    try:
        with atomic.replaced(path) as temporary:
            put(temporary)
    except OSError as error:
        raise LedgerError(Problem(f"cannot be written: {error.strerror}", str(path))) from error


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns of one type each: mappings, and mixed numbers, texts, lists or truth values, as texts."""
    mixed = {}
    for name in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]:
        kinds = {type(value) for value in frame[name] if _plain(value) is not None}
        if (len(kinds) > 1 and not kinds <= {int, float}) or any(map(_holds_a_mapping, frame[name])):
            mixed[name] = frame[name].map(lambda value: None if _plain(value) is None else exact(value))
    return frame.assign(**mixed)


def _holds_a_mapping(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_a_mapping, value)))


def _csv(frame: pd.DataFrame) -> pd.DataFrame:
    texts = {
        name: _csv_column(frame[name], is_parameter=_is_parameter(frame, name))
        for name in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]
    }
    return frame.assign(**texts).rename(columns=_no_formula)


def _is_parameter(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column has values of a parameter, to be read back, and not plain text, as those of claims are."""
    return name not in BOOKKEEPING and not frame.attrs.get("claims", False)


def _csv_column(column: pd.Series, is_parameter: bool) -> pd.Series:
    def cell(value: object) -> object:
        if isinstance(value, str):
            return _no_formula(exact(value) if is_parameter else value)
        return exact(value) if isinstance(value, list | dict) else value

    try:
        changed = {value: text for value in column.unique() if (text := cell(value)) is not value}
    except TypeError:  # lists are not hashed
        return column.map(cell)
    return column.map(lambda value: changed.get(value, value)) if changed else column


def _no_formula(text: str) -> str:
    """Text that a spreadsheet would take for a formula, in quotes."""
    return json.dumps(text, ensure_ascii=False) if text.startswith(_FORMULA) else text


def _cell(value: object, is_parameter: bool) -> Cell:
    if value is None:
        return Cell("")
    if isinstance(value, list | dict) or (is_parameter and isinstance(value, str | bool)):
        return Cell(show(value))
    return Cell(str(value), number=isinstance(value, int | float))


def _plain(value: object) -> Value:
    """A cell as JSON takes it: nothing infinite."""
    plain = cell_value(value)
    return None if isinstance(plain, float) and math.isinf(plain) else plain
