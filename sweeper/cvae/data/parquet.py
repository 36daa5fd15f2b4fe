"""The rows of a Parquet file: the only module of the trainer that imports pyarrow, and only when asked for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sweeper.cvae.data.problem import COLUMNS, DataError

BATCH = 1024  # rows that are Python objects at a time
BUFFER = 1 << 20  # bytes of a column that are read at a time: without it, all of a row group


def rows_of_parquet(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The number of each row, from 1, and its columns, a batch at a time."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(f"{file}: Parquet needs pyarrow; pip install pyarrow, or use JSONL") from None
    number = 0
    try:
        with file.open("rb") as content:
            opened = parquet.ParquetFile(content, buffer_size=BUFFER)
            columns = [name for name in opened.schema_arrow.names if name in COLUMNS]
            for batch in opened.iter_batches(BATCH, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: value for name, value in row.items() if value is not None}
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{file} after row {number}: {error}") from None
