from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import LedgerError, UsageError
from sweeper.ledger.paths import SweepDir, check_local, is_folder_name, list_sweeps, similar_folder_name
from tests.conftest import Sweeper


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


@pytest.mark.parametrize(
    "name",
    ["sweep.yaml", "ledger.jsonl", "curves.jsonl", "lock", "steps.json", "plots", "report.html", "patches",
     "trials", "trials/k", "trials/k/log.txt", "trials/k/checkpoints"],
)  # fmt: skip
def test_no_path_of_a_sweep_leads_out_by_a_link(tmp_path: Path, name: str) -> None:
    """A run writes to all of these; a log and checkpoints are written by its workers, given the trial's folder."""
    sweep = SweepDir(tmp_path / "results", "toy")
    paths = (
        lambda: sweep.spec, lambda: sweep.ledger, lambda: sweep.curves, lambda: sweep.lock, lambda: sweep.plots,
        lambda: sweep.report, lambda: sweep.patch("p"), lambda: sweep.trial("k"), lambda: sweep.log("k"),
        lambda: sweep.live_steps,
    )  # fmt: skip
    assert all(path().is_relative_to(sweep.folder) for path in paths)
    (place := sweep.folder / name).parent.mkdir(parents=True)
    place.symlink_to(tmp_path)
    refused = 0
    for path in paths:
        with contextlib.suppress(LedgerError):
            path()
            continue
        refused += 1
    assert refused == (2 if name in ("trials", "trials/k", "trials/k/log.txt") else 1)


def test_a_link_within_the_results_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "b").mkdir()
    (tmp_path / "disk" / "a").symlink_to("b")
    assert SweepDir(tmp_path / "results", "a").ledger == tmp_path / "results" / "a" / "ledger.jsonl"


def test_a_sweep_that_is_a_link_out_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for folder in (tmp_path / "results" / "mine", tmp_path / "theirs"):
        folder.mkdir()
        (folder / "ledger.jsonl").touch()
    (tmp_path / "results" / "theirs").symlink_to(tmp_path / "theirs")
    assert [sweep.name for sweep in list_sweeps(tmp_path / "results")] == ["mine"]


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://bucket", "file:///tmp/x", "https://host/x"])
def test_a_url_is_refused_as_results_folder(url: str, sweeper: Sweeper, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be a URL(.|\n)*mounted file system"):
        check_local(Path(url))
    if url.startswith("s3"):
        said = sweeper("list", "--results", url)
        assert (said.code, said.out, list(folder.iterdir())) == (2, "", [])


@pytest.mark.parametrize("path", ["results", "/a:b/c", "a:/b", "./s3:x", "a b/c"])
def test_a_path_with_a_colon_is_a_path(path: str) -> None:
    check_local(Path(path))
