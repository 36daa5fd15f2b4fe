from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from sweeper import tables
from sweeper.errors import UsageError
from sweeper.tables import Format

FRAME = pd.DataFrame({"name": ["b|c", "a"], "score": [0.1 + 0.2, float("nan")], "n": [1, 2]})


def test_csv_reads_back_to_the_same_numbers() -> None:
    again = pd.read_csv(io.StringIO(tables.text(FRAME, Format.CSV)))
    pd.testing.assert_frame_equal(again, FRAME)


def test_json_is_one_document_with_null_for_what_is_not_there() -> None:
    document = json.loads(tables.text(FRAME, Format.JSON))
    assert document["schema_version"] == 1
    assert document["rows"][1] == {"name": "a", "score": None, "n": 2}


def test_markdown_escapes_its_own_marks() -> None:
    lines = tables.text(FRAME, Format.MARKDOWN).splitlines()
    assert lines[0] == "| name | score | n |"
    assert lines[2].startswith("| b\\|c | 0.30000000000000004")


def test_parquet_keeps_types(tmp_path: Path) -> None:
    tables.write(FRAME, Format.PARQUET, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), FRAME, check_dtype=False)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_columns_and_order_are_chosen_by_name() -> None:
    assert list(tables.select(FRAME, ["n", "name"], ["-n"]).n) == [2, 1]


def test_an_unknown_column_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"skore(.|\n)*name, score, n"):
        tables.select(FRAME, ["skore"], [])
