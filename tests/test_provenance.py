from __future__ import annotations

import subprocess
from pathlib import Path

from sweeper import provenance


def test_a_dirty_tree_is_marked(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "f").write_text("1")
    for words in (["init", "-q"], ["add", "f"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    clean = provenance.commit(tmp_path)
    (tmp_path / "f").write_text("2")
    assert len(clean) == 12
    assert provenance.commit(tmp_path) == f"{clean}-dirty"


def test_no_repository_is_no_commit(tmp_path: Path) -> None:
    assert provenance.commit(tmp_path) == ""


def test_the_patch_of_changed_files_is_kept_without_secrets(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    (tmp_path / "train.py").write_text("lr = 1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert provenance.patch(tmp_path) == ("", [])
    git("config", "color.ui", "always")
    git("config", "diff.noprefix", "true")
    (tmp_path / "train.py").write_text("lr = 2\n")
    text, left_out = provenance.patch(tmp_path)
    assert "\n+lr = 2" in text
    assert left_out == []
    (tmp_path / "train.py").write_text("lr = 2\napi_key=abc123\n")
    text, left_out = provenance.patch(tmp_path)
    assert "abc123" not in text
    assert left_out == ["train.py"]
    assert provenance.facts({"patch": "0123", "patch_without": left_out})["patch"] == (
        "0123, without train.py: may hold secrets"
    )


def test_the_digest_of_data_is_that_of_its_content(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1,2")
    first = provenance.data_digests([str(file), str(tmp_path / "gone")])
    assert len(first[str(file)]) == 12
    assert first[str(tmp_path / "gone")] == ""
    file.write_text("1,3")
    assert provenance.data_digests([str(file)]) != {str(file): first[str(file)]}
