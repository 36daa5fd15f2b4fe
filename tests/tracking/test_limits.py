"""Names, values and errors as MLflow takes and gives them."""

from __future__ import annotations

import pytest

from sweeper.tracking.limits import batches, legal, one_line, text, will_last


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a/b.c-d e:f", "a/b.c-d e:f"), ("acc@5", "acc_5"), ("../../x", "x"), ("a//b/", "a/b"), ("", "_"), ("β", "β")],
)
def test_names_become_what_mlflow_accepts(name: str, shown: str) -> None:
    assert legal(name) == shown


def test_an_error_is_one_line_without_a_password() -> None:
    line = one_line(ValueError("no\nway to postgresql://me:secret@host/db"), "x")
    assert line == "no way to postgresql://host/db"


@pytest.mark.parametrize(
    ("value", "shown"), [(3e6, "3000000"), (True, "true"), (None, "null"), ("a", "a"), ([1], "[1]")]
)
def test_a_value_is_text_that_reads_back(value: object, shown: str) -> None:
    assert text(value) == shown  # type: ignore[arg-type]


def test_batches_keep_within_mlflows_limits() -> None:
    made = list(batches(list(range(2500)), list(range(130)), list(range(3))))
    assert [tuple(map(len, batch)) for batch in made] == [(897, 100, 3), (970, 30, 0), (633, 0, 0)]


REFUSED = (
    "API request to http://127.0.0.1:9/api failed with exception HTTPConnectionPool(host='127.0.0.1', port=9): "
    "Max retries exceeded with url: /api (Caused by NewConnectionError('Failed to establish a new connection: "
    "[Errno 111] Connection refused'))"
)
DENIED = "API request to endpoint /api/2.0/mlflow/runs/search failed with error code 403 != 200."


@pytest.mark.parametrize(
    ("error", "line", "lasting"),
    [
        (REFUSED, "http://x does not answer: connection refused", True),
        ("API request to http://x failed with timeout exception Read timed out", "http://x does not answer", False),
        (DENIED, "http://x refuses this log-in: set MLFLOW_TRACKING_USERNAME", True),
        ("(sqlite3.OperationalError) database or disk is full", "database or disk is full", True),
        ("API request failed with error code 500 != 200", "http://x answers with HTTP 500", False),
        ("failed with error code 404 != 200. Response body: 'none\nhere'", "x answers with HTTP 404: none", False),
        ("failed with error code 502 != 200. Response body: 'refused'", "x answers with HTTP 502: refused", False),
        ("failed with error code 502 != 200. Response body: '<!doctype html>'", "x answers with HTTP 502\n", False),
    ],
)
def test_an_error_says_what_is_wrong_and_whether_waiting_would_help(error: str, line: str, lasting: bool) -> None:
    said = one_line(ValueError(error), "http://x")
    assert line in f"{said}\n"
    assert will_last(said) is lasting
