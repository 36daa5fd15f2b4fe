from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.spec.document import MAX_BYTES, read


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text("a: 1")
    with pytest.raises(SpecError, match=r"did you mean grid.yaml\?"):
        read(tmp_path / "gird.yaml")


def test_a_folder_names_the_files_it_holds(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text("a: 1")
    with pytest.raises(SpecError, match=r"folder[\s\S]*grid.yaml"):
        read(tmp_path)


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(SpecError, match=r"f.yaml:2: not UTF-8[\s\S]*0xff"):
        read(tmp_path / "f.yaml")


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read(tmp_path / "f.yaml").tree == {"a": 1, "b": 2}


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"[" * (10 * MAX_BYTES))
    with pytest.raises(SpecError, match="too large"):
        read(tmp_path / "f.yaml")


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match="regular file"):
        read(tmp_path / "pipe")
    with pytest.raises(SpecError):
        read(Path("x\0y"))
