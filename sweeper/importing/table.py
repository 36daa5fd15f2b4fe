"""A table with one row per trial: a CSV file, of whatever tool, or the runs that W&B exports as one."""

from __future__ import annotations

import csv
import math
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.errors import Problem, UsageError, excerpt
from sweeper.importing.roles import ColumnRoles, column_roles
from sweeper.importing.source import MAX_PROBLEMS, ImportChoice, ImportSource, SourceTrial, shown
from sweeper.importing.values import STATES, measured, seconds, typed_columns
from sweeper.trial import State, Value

_DELIMITERS = (",", ";", "\t")
_SEPARATOR = re.compile("sep=([,;\t])")
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")  # or three decimals
_INTEGER = re.compile(r"[-+]?\d+")
_ALMOST = re.compile(r"[-+]?[\d.]*\d([.,]\d+)*\s*%?")
_CUT = 1_000_000  # characters of a cell


@dataclass(frozen=True, slots=True)
class TextTable:
    """A file's rows as texts, each with the number of its line; the columns whose decimal commas are points there."""

    path: Path
    columns: Sequence[str]
    rows: Sequence[tuple[int, Mapping[str, str]]]
    with_commas: Sequence[str] = field(default=())


def table_source(kind: str, table: TextTable, choice: ImportChoice) -> ImportSource:
    """The trials of a table. Raises UsageError with every cell that cannot be read."""

    def is_measured(column: str) -> bool:
        cells = [row[column] for _, row in table.rows if row[column].strip()]
        return bool(cells) and all(measured(cell) is not None for cell in cells)

    roles = column_roles(table.columns, choice, str(table.path), is_measured)
    typed = typed_columns([_texts(row, roles.params) for _, row in table.rows])
    problems: list[Problem] = []
    trials, unfinished = [], 0
    for (line, row), params in zip(table.rows, typed, strict=True):
        trial = _trial(f"{table.path}:{line}", row, params, roles, problems)
        if trial is None:
            unfinished += 1
        else:
            trials.append(trial)
    if problems:
        raise UsageError(*problems[:MAX_PROBLEMS])
    notes = [*roles.notes, *_number_notes(table, [name for name in roles.params if name != roles.seed], typed)]
    return ImportSource(kind, table.path.name, trials, unfinished, notes=notes)


def _number_notes(table: TextTable, params: Sequence[str], typed: Sequence[Mapping[str, Value]]) -> list[str]:
    """How numbers were read where that can be taken in two ways."""
    notes = [f"decimal commas: {shown(table.with_commas)}"] if table.with_commas else []
    for name in params:
        texts = [text for row in typed if isinstance(text := row.get(name), str)]
        if texts and all(_ALMOST.fullmatch(text.strip()) for text in texts):
            notes.append(f"{name} is text, as in {excerpt(texts[0])}: a number has a point, no comma and no %")
    return notes


def read_table(path: Path) -> TextTable:
    """Read a CSV file: separated by commas, semicolons or tabs, with a first line of names. Raises UsageError."""
    text = file_text(path)
    first, _, rest = text.partition("\n")
    if said := _SEPARATOR.fullmatch(first.strip()):  # the first line that Excel writes and reads
        text, delimiter = f"\n{rest}", said[1]
    else:
        delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(_CUT)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(filter(None, reader), [])]
        _check_columns(path, columns)
        rows: list[tuple[int, dict[str, str]]] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                found, allowed = f"{len(cells)} cells", f"{len(columns)}, as in the first line"
                raise UsageError(Problem("a row of another length", f"{path}:{reader.line_num}", "", found, allowed))
            rows.append((reader.line_num, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise UsageError(Problem(f"no CSV: {error}", f"{path}:{reader.line_num}")) from None
    if not rows:
        raise UsageError(Problem("a table without rows", str(path), hint="one row per trial, below a line of names"))
    with_commas = [] if delimiter == "," else [name for name in columns if _has_decimal_commas(name, rows, delimiter)]
    for _, row in rows:
        row |= {name: _with_point(row[name]) for name in with_commas}
    return TextTable(path, columns, rows, with_commas)


def _has_decimal_commas(column: str, rows: Sequence[tuple[int, Mapping[str, str]]], delimiter: str) -> bool:
    """Whether the numbers of a column are written as 0,5: as spreadsheets save them where cells end with semicolons.

    Between tabs 1,000 may be a thousand.
    """
    cells = [cell for _, row in rows if (cell := row[column].strip())]
    commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    if not commas or any(cell not in commas and not _INTEGER.fullmatch(cell) for cell in cells):
        return False
    return delimiter == ";" or not all(_THOUSANDS.fullmatch(cell) for cell in commas)


def _with_point(cell: str) -> str:
    return cell.strip().replace(".", "").replace(",", ".")


def file_text(path: Path) -> str:
    """The text of a file that is to be imported. Raises UsageError where it cannot be read."""
    try:
        content = path.read_bytes()
        return content.decode("utf-16" if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "spreadsheets can save CSV as UTF-8"
        raise UsageError(Problem("not a text in UTF-8", str(path), found=f"byte {error.start}", hint=hint)) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", str(path))) from None


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if twice:
        hint = "rename one of them"
        raise UsageError(Problem("two columns have one name", f"{path}:1", twice[0] or "(no name)", hint=hint))
    if len(columns) < 2:
        allowed = "names separated by commas, semicolons or tabs"
        raise UsageError(Problem("not a table", f"{path}:1", "", excerpt(shown(columns)), allowed))


def _texts(row: Mapping[str, str], params: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a row; an empty cell is one that this trial does not have."""
    return {name: row[column] for column, name in params.items() if row[column].strip()}


def _trial(
    where: str, row: Mapping[str, str], params: Mapping[str, Value], roles: ColumnRoles, problems: list[Problem]
) -> SourceTrial | None:
    """The trial of a row; None for one that has not ended. What cannot be read is added to `problems`."""
    about = {role: row[column].strip() for role, column in roles.about.items()}
    metrics: dict[str, float] = {}
    for column, name in roles.metrics.items():
        if not row[column].strip():
            continue
        value = measured(row[column])
        if value is None:
            allowed, hint = "a number; empty where the trial has none", "or leave the column out: --metrics X,Y"
            if _ALMOST.fullmatch(str(row[column]).strip()):
                hint = "write all numbers with a point, without thousands and %, those of parameters too"
            problems.append(Problem("not a number", where, column, excerpt(row[column]), allowed, hint))
        else:
            metrics[name] = value
    state = STATES.get(about.get("state", "completed").lower() or "completed", State.PENDING)
    if state is State.PENDING:
        allowed = ", ".join(STATES)
        problems.append(Problem("not a state", where, roles.about["state"], excerpt(about["state"]), allowed))
    if state is None:
        return None
    steps = measured(about.get("steps", ""))
    return SourceTrial(
        id=about.get("id", ""),
        where=where,
        params=params,
        metrics=metrics,
        state=state,
        reason=about.get("reason", ""),
        steps=int(steps) if steps is not None and math.isfinite(steps) else 0,
        started_at=seconds(about.get("started_at", "")),
        ended_at=seconds(about.get("ended_at", "")),
    )
