from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pyarrow import parquet

from sweeper.errors import UsageError
from sweeper.reporting.tables import markup, tables, verdicts
from sweeper.reporting.tables.tables import Format

FRAME = pd.DataFrame({"name": ["b|c", "a"], "score": [0.1 + 0.2, float("nan")], "n": [1, 2]})


def test_csv_reads_back_to_the_same_numbers() -> None:
    again = pd.read_csv(io.StringIO(tables.text(FRAME, Format.CSV)))
    pd.testing.assert_frame_equal(again, FRAME)


def test_csv_tells_values_apart_that_other_tables_write_alike() -> None:
    values = [None, "null", "", "None", True, "true", "True", 1, "1", "nan", [1], "[1]", "=1+1", "-x", -1.5, "adam"]
    frame = pd.DataFrame({"state": [""] * len(values), "p": pd.Series(values, dtype=object)})
    cells = [row["p"] for row in csv.DictReader(io.StringIO(tables.text(frame, Format.CSV)))]
    assert len(set(cells)) == len(values)
    texts = [json.loads(cell) if cell.startswith('"') else cell for cell in cells]
    assert texts == [
        "",
        "null",
        "",
        "None",
        "True",
        "true",
        "True",
        "1",
        "1",
        "nan",
        "[1]",
        "[1]",
        "=1+1",
        "-x",
        "-1.5",
        "adam",
    ]


def test_no_text_of_a_csv_is_a_formula_and_every_number_stays_one() -> None:
    reasons = ["=cmd()", "+1", "-1", "@x", "\t=1", "fine", ""]
    frame = pd.DataFrame(
        {"reason": reasons, "p": pd.Series(reasons, dtype=object), "score": [-0.5] * 7, "=x": [-1] * 7}
    )
    rows = [*csv.reader(io.StringIO(tables.text(frame, Format.CSV)))]
    assert rows[0] == ["reason", "p", "score", '"=x"']
    assert not [cell for row in rows[1:] for cell in row[:2] if cell[:1] in ("=", "+", "-", "@", "\t")]
    assert {tuple(row[2:]) for row in rows[1:]} == {("-0.5", "-1")}
    assert rows[6][:2] == ["fine", "fine"]


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


def test_parquet_is_the_same_to_pandas_and_duckdb(tmp_path: Path) -> None:
    mixed = pd.DataFrame(
        {"n": [1, 2], "x": [0.1, float("nan")], "t": ["a", None], "steps": pd.array([5, None], dtype="Int64")}
    )
    mixed["either"] = pd.Series([1, "auto"], dtype=object)
    mixed["several"] = pd.Series([[1, 2], [3]], dtype=object)
    mixed["mapping"] = pd.Series([{}, {"a": 1}], dtype=object)
    mixed["deep"] = pd.Series([[{"a": 1}], [{}]], dtype=object)
    path = tmp_path / "t.parquet"
    tables.write(mixed, Format.PARQUET, path, "hash 0123")
    again = pd.read_parquet(path)
    assert [str(again[name].dtype) for name in ("n", "x", "steps")] == ["int64", "float64", "Int64"]
    rows = duckdb.execute(f"select n, x, t, steps, either, several from '{path}'").fetchall()
    assert rows[0] == (1, 0.1, "a", 5, "1", [1, 2])
    assert rows[1][2:] == (None, None, "auto", [3])
    assert [list(again[name]) for name in ("mapping", "deep")] == [["{}", '{"a": 1}'], ['[{"a": 1}]', "[{}]"]]
    assert parquet.read_schema(path).metadata[b"sweeper"] == b"hash 0123"


def test_json_takes_missing_whole_numbers() -> None:
    frame = pd.DataFrame({"steps": pd.array([5, None], dtype="Int64")})
    assert [row["steps"] for row in json.loads(tables.text(frame, Format.JSON))["rows"]] == [5, None]


@pytest.mark.parametrize(
    ("where", "names"),
    [("score > 0.2", ["b|c"]), ("n == 2 and name == 'a'", ["a"]), ("score > 5", []), ("1 < 2", ["b|c", "a"])],
)
def test_rows_are_chosen_by_a_condition_and_those_without_the_value_are_not(where: str, names: list[str]) -> None:
    assert list(tables.filtered(FRAME, where).name) == names


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("skore > 1", "did you mean score"),
        ("n >", "expression ends"),
        ("name > 1", "two numbers"),
        ("n", "true or false"),
    ],
)
def test_what_is_no_condition_on_columns_is_refused(where: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        tables.filtered(FRAME, where)


def test_every_form_but_csv_says_where_it_comes_from() -> None:
    for form in (Format.JSON, Format.MARKDOWN, Format.LATEX, Format.HTML):
        assert "hash 0123" in tables.text(FRAME, form, "hash 0123")
    assert tables.text(FRAME, Format.CSV, "hash 0123").startswith("name,score,n\n")


def test_the_texts_of_claims_are_written_in_full_and_an_empty_one_as_nothing() -> None:
    long = "amended: written after 48 of 48 results (" + "the margin was too wide " * 3 + ")"
    frame = pd.DataFrame({"family": [""], "standing": [long]})
    frame.attrs["claims"] = True
    assert f" & {long}" in tables.text(frame, Format.LATEX)
    assert tables.text(tables.select(frame, ["standing", "family"], []), Format.CSV).splitlines()[1] == f"{long},"


def test_verdicts_are_rounded_for_reading_and_a_late_claim_says_so() -> None:
    known = {"name": "c " * 40, "outcome": "pass", "effect": 0.7072084993, "ci_low": -0.0, "ci_high": 0.8486299, "n": 6}
    late = known | {"name": "d", "effect": None, "ci_low": None, "ci_high": None, "n": 0, "p": None}
    frame = pd.DataFrame([known | {"p": 7.0973e-05}, late]).assign(status="registered", standing="registered")
    lines = markup.latex(verdicts.as_styled_table(frame, "from here")).splitlines()
    assert r"\begin{tabular}{p{0.6\linewidth}lrrr}" in lines
    first = f"{'c ' * 40} & pass & 0.707 {{[}}0, 0.849] & 6 & $7.1\\times 10^{{-5}}$ \\\\"
    assert lines[-4:-2] == [first, r"d & pass &  & 0 &  \\"]
    frame = frame.assign(status=["registered", "exploratory"], standing=["registered", "exploratory: written late"])
    assert "| standing |" in markup.markdown(verdicts.as_styled_table(frame))
