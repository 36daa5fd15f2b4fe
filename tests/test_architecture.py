"""The house: the contract of imports (pyproject.toml), sizes, and what quick commands load."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "sweeper").rglob("*.py"))


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env={"PYTHONPATH": str(root)})


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("trial.py", "", ""),
        ("spec/sweep.py", "import sweeper.planning.plan", "A package imports those below it only"),
        ("execution/budgets.py", "import sweeper.execution.session", "No cycles"),
        ("cvae/losses.py", "import sweeper.errors", "The bundled trainer can be lifted out"),
        ("execution/run.py", "import rich", "typer, rich: only in sweeper.cli"),
        ("execution/session.py", "import ray", "ray: only in sweeper.execution.ray_tune"),
        ("planning/plan.py", "import optuna", "optuna: only in sweeper.search"),
    ],
)
def test_the_contract_of_imports_holds_and_fails_where_it_is_broken(
    tmp_path: Path, file: str, line: str, contract: str
) -> None:
    shutil.copytree(ROOT / "sweeper", tmp_path / "sweeper", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "sweeper" / file
    path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint_imports(tmp_path)
    broken = [text.partition(" BROKEN")[0] for text in done.stdout.splitlines() if " BROKEN" in text]
    assert done.returncode == (1 if contract else 0), done.stdout
    assert any(name.startswith(contract) for name in broken) == bool(contract)


def test_the_bundled_trainer_needs_torch_and_safetensors_only() -> None:
    """Parquet and trained tokenizers aside, whose libraries one module each imports when a file asks for them."""
    used, optional = set(), {"data/parquet.py": "pyarrow", "data/tokens.py": "tokenizers"}
    for path in (ROOT / "sweeper" / "cvae").rglob("*.py"):
        own = optional.get(path.relative_to(ROOT / "sweeper" / "cvae").as_posix())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names if alias.name.partition(".")[0] != own}
            elif isinstance(node, ast.ImportFrom) and node.module and node.module != own:
                used.add(node.module)
    others = {name.partition(".")[0] for name in used} - {"sweeper"} - sys.stdlib_module_names
    assert others <= {"torch", "safetensors"}


@pytest.mark.parametrize("words", [["--help"], ["plan", "x.yaml"], ["validate", "x.yaml"], ["list"], ["export", "toy"]])
def test_quick_commands_load_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("trainer: cvae\nparameters: {loss.beta: {values: [0, 1]}}\n")
    code = (
        "import sys; from sweeper.__main__ import main; sys.argv = ['sweeper', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *({'torch', 'ray', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1].strip() == "LOADED", done.stderr


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert not {name: length for name, length in lengths.items() if length > 300}


def test_no_folder_holds_more_than_fifteen_files() -> None:
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in MODULES if path.name != "__init__.py")
    assert not {name: count for name, count in counts.items() if count > 15}


def test_no_function_is_longer_than_50_lines() -> None:
    long = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno and not path.is_relative_to(ROOT / "sweeper/cli"):
                length = node.end_lineno - node.lineno + 1
                if length > 50:
                    long[f"{path.name}:{node.name}"] = length
    assert not long


def test_every_package_says_what_lives_in_it() -> None:
    for path in MODULES:
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), path


def test_no_public_name_stands_for_two_classes() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert sorted(name for name, count in names.items() if count > 1) == []


def test_a_loss_weight_goes_down_the_ladder_through_at_most_30_files() -> None:
    section = (
        (ROOT / ".github" / "CONTRIBUTING.md").read_text().partition("## From a loss weight")[2].partition("\n## ")[0]
    )
    ways = [re.findall(r"`((?:\w+/)*\w+\.py)`", way) for way in re.split(r"^\d\. ", section, flags=re.MULTILINE)[1:]]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "ladder")
    rank = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    assert sum(map(len, ways)) <= 30
    for way in ways:
        assert [name for name in way if not (ROOT / "sweeper" / name).exists()] == []
        ranks = [rank[Path(name).parts[0].removesuffix(".py")] for name in way if not name.startswith("cvae/")]
        assert ranks == sorted(ranks), way
