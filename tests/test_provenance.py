from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sweeper import provenance

SOURCE = '"""Doc."""\nimport beside\n\n\ndef train(params, report):\n    """More."""\n    return {"x": 1 + 1}\n'


def digest(folder: Path, source: str = SOURCE, beside: str = "Y = 1\n") -> str:
    (folder / "mine.py").write_text(source)
    (folder / "beside.py").write_text(beside)
    return provenance.code_digest("mine", folder / "mine.py")


def test_comments_layout_and_docstrings_are_not_code(tmp_path: Path) -> None:
    changed = SOURCE.replace("Doc.", "Other.").replace("More.", "Words.").replace("1 + 1}", "1   +  1}  # two")
    assert digest(tmp_path) == digest(tmp_path, changed)


def test_a_changed_number_is_a_change(tmp_path: Path) -> None:
    assert digest(tmp_path) != digest(tmp_path, SOURCE.replace("1 + 1", "1 + 2"))


def test_a_change_in_an_imported_module_beside_it_is_a_change(tmp_path: Path) -> None:
    assert digest(tmp_path) != digest(tmp_path, beside="Y = 2\n")


def test_a_package_is_followed_through_relative_imports(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "train.py").write_text("from .parts import f\nfrom pack import more\n")
    (package / "parts.py").write_text("f = 1\n")
    (package / "more.py").write_text("g = 1\n")
    found = provenance._project_modules("pack.train", package / "train.py")
    assert set(found) == {"pack", "pack.train", "pack.parts", "pack.more"}


def test_the_digest_of_the_bundled_trainer_imports_no_torch() -> None:
    code = "import sys; from sweeper import trainer; print(trainer.find('cvae').code, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert len(out[0]) == 12
    assert out[1] == "False"


def test_secrets_are_redacted() -> None:
    text = provenance.redact("run --x token=abc DB_PASSWORD=hunter2 http://me:pw@host/path lr=0.1")
    assert text == "run --x token=*** DB_PASSWORD=*** http://***@host/path lr=0.1"


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
    assert provenance.patch(tmp_path) == ""
    (tmp_path / "train.py").write_text("lr = 2\napi_key=abc123\n")
    assert "+lr = 2" in provenance.patch(tmp_path)
    assert "abc123" not in provenance.patch(tmp_path)


def test_the_digest_of_data_is_that_of_its_content(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1,2")
    first = provenance.data_digests([str(file), str(tmp_path / "gone")])
    assert len(first[str(file)]) == 12
    assert first[str(tmp_path / "gone")] == ""
    file.write_text("1,3")
    assert provenance.data_digests([str(file)]) != {str(file): first[str(file)]}
