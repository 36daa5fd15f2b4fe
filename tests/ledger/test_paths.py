from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.ledger.paths import is_folder_name, similar_folder_name


@pytest.mark.parametrize("name", ["grid", "2024", "a b", "mar17.v2", "_x", "A-1", "x" * 100])
def test_ordinary_names_are_folders(name: str) -> None:
    assert is_folder_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "../x", "/etc", "a\\b", "a\nb", "😀", "a'b", 'a"b', "a ", " a", "a.", "mlflow.db",
     "MLArtifacts", "x" * 101, "a\0", "-rf"],
)  # fmt: skip
def test_names_that_could_leave_or_hide_are_not(name: str) -> None:
    assert not is_folder_name(name)


@given(st.text(max_size=120))
def test_whatever_is_suggested_stays_inside_the_results_folder(name: str) -> None:
    for folder in filter(is_folder_name, (name, similar_folder_name(name))):
        assert (Path("/results") / folder).resolve().parent == Path("/results")


def test_a_suggestion_keeps_the_words() -> None:
    assert similar_folder_name("lr / bs: (v2)") == "lr-bs-v2"
    assert similar_folder_name("😀") == ""
