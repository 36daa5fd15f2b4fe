"""The rows of JSONL, CSV and Parquet files, plain or compressed by gzip, with the line on which each stands."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from sweeper.cvae.data.problem import COLUMNS, DataError

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
LONGEST_LINE = 1 << 26  # bytes: whatever has more is not made of lines
Row = tuple[int, Mapping[str, object]]


def files_of(path: str) -> list[Path]:
    """The files that a path or a pattern names, in order. Raises DataError where there is none."""
    files = [Path(path)]
    if set(path) & set("*?["):
        root = Path(path).anchor
        files = sorted(Path(root).glob(path.removeprefix(root)))
    if not files or not all(file.is_file() for file in files):
        raise DataError(f"{path}: no such file, seen from {Path.cwd()}")
    return files


def unit_of(file: Path) -> str:
    """What the numbers of its rows count."""
    return "row" if file.suffix.lower() == ".parquet" else "line"


def rows_of(file: Path) -> Iterator[Row]:
    """The number of each row, from 1, and its columns. Raises DataError at the first that cannot be read."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = FORMATS.get("".join(suffixes[-2:-1] if packed else suffixes[-1:]))
    if kind is None or (packed and kind == "parquet"):
        raise DataError(f"{file}: not one of {', '.join(FORMATS)}, the text formats also with .gz")
    if kind == "parquet":
        from sweeper.cvae.data.parquet import rows_of_parquet

        yield from rows_of_parquet(file)
        return
    with gzip.open(file, "rb") if packed else file.open("rb") as lines:
        yield from (
            _json_rows(file, lines) if kind == "jsonl" else _csv_rows(file, lines, "\t" if kind == "tsv" else ",")
        )


def _lines(file: Path, lines: IO[bytes] | gzip.GzipFile) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b""), start=1):
            if len(line) == LONGEST_LINE:
                raise DataError(f"{file} line {number}: more than {LONGEST_LINE >> 20} MB without a line break")
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} line {number}: bad UTF-8, {error.reason} at byte {error.start + 1}") from None
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{file} after line {number}: {error}") from None


def _json_rows(file: Path, lines: IO[bytes] | gzip.GzipFile) -> Iterator[Row]:
    for number, line in enumerate(_lines(file, lines), start=1):
        if not line.strip():
            continue
        try:
            yield number, _json_row(line.strip())
        except DataError as error:
            raise DataError(f"{file} line {number}: {error}") from None


def _json_row(line: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON, {error.msg.removesuffix(' at')} at column {error.colno}") from None
    except ValueError:  # of more digits than Python converts
        raise DataError("a number too large, beyond 64 bits") from None
    except RecursionError:
        raise DataError("lists in lists, too many; prompt and target are lists or text") from None
    if not isinstance(row, dict):
        raise DataError(f"{type(row).__name__} instead of an object")
    return row


def _csv_rows(file: Path, lines: IO[bytes] | gzip.GzipFile, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(1 << 24)
    reader = csv.reader(_lines(file, lines), delimiter=delimiter, strict=True)
    header: list[str] = []
    first = 1  # line of the row: text in quotes may have several
    try:
        for cells in reader:
            number, first = first, reader.line_num + 1
            if not header:
                header = [cell.strip() for cell in cells]
            elif cells and len(cells) != len(header):
                raise DataError(f"{file} line {number}: columns: expected {len(header)}, found {len(cells)}")
            elif cells:
                named = zip(header, cells, strict=True)
                yield number, {name: cell for name, cell in named if cell or name in COLUMNS[:2]}
    except csv.Error as error:
        reason = "a quote that does not end" if "end of data" in str(error) or "limit" in str(error) else str(error)
        raise DataError(f"{file} line {first}: {reason}") from None
