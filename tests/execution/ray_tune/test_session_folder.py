from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.execution.ray_tune import session_folder as module
from sweeper.execution.ray_tune.session_folder import LONGEST, session_folder
from tests.conftest import QUADRATIC, Sweeper


@pytest.fixture
def long(tmp_path: Path) -> Path:
    folder = tmp_path / ("a" * 200)
    folder.mkdir()
    return folder


def test_a_short_place_is_left_to_ray() -> None:
    assert session_folder({"TMPDIR": "/tmp"}) is None


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_instead_of_a_long_one_a_short_writable_place_is_taken(long: Path, name: str) -> None:
    place = session_folder({name: str(long)})
    assert place is not None
    assert len(place) <= LONGEST + len("/ray")


def test_without_any_place_it_is_said_what_to_set(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ELSEWHERE", (str(long), "/nowhere"))
    with pytest.raises(UsageError, match=f"at most {LONGEST} characters"):
        session_folder({"TMPDIR": str(long)})


def test_instead_of_a_full_one_a_place_with_room_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 1000)
    of = shutil.disk_usage
    full = of("/")._replace(free=module.LEAST_FREE - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: full if place == str(tmp_path) else of(place))
    place = session_folder({"TMPDIR": str(tmp_path)})
    assert place is not None
    assert not place.startswith(str(tmp_path))
    monkeypatch.setattr(module, "ELSEWHERE", ())
    with pytest.raises(UsageError, match="20 MB free"):
        session_folder({"TMPDIR": str(tmp_path)})


@pytest.mark.ray
def test_ray_starts_with_a_long_tmpdir_and_a_home_that_cannot_be_written(
    toy: Path, long: Path, new_sweeper: Sweeper, sweeper: Sweeper
) -> None:
    toy.write_text(QUADRATIC)
    said = new_sweeper("run", toy, TMPDIR=str(long), HOME="/proc")
    assert said.code == 0, said.err
    assert sweeper("status", "toy", "--json").json()["counts"]["completed"] == 4
