from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.ledger import atomic


def test_a_file_is_there_once_the_block_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with atomic.replaced(file) as beside:
        beside.write_text("new")
        assert file.read_text() == "old"
    assert (file.read_text(), list(tmp_path.iterdir())) == ("new", [file])


def test_what_the_block_raises_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def write_half() -> None:
        with atomic.replaced(file) as beside:
            beside.write_text("ne")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_half()
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])
