"""The arrows of the design: data flows one way, each library has one owner, and quick verbs load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIGURES = sorted((ROOT / "sweeper" / "figures").glob("*.py"))
MODULES = sorted((ROOT / "sweeper").glob("*.py")) + FIGURES
OWNERS = {
    "typer": {
        "cli",
        "cli_options",
        "cli_run",
        "cli_files",
        "cli_garbage",
        "cli_results",
        "cli_judge",
        "cli_export",
        "cli_pictures",
        "cli_output",
    },
    "rich": {
        "console",
        "verdict_list",
        "comparison_text",
        "train_alone",
        "samples",
        "status",
        "cli_results",
        "closing",
        "run",
        "cli_run",
        "cli_output",
    },
    "ray": {"cluster_ray", "schedule_ray", "worker_ray"},
    "mlflow": {"mlflow_database", "mlflow_store", "ui"},
    "optuna": {"samplers", "search", "peers", "study", "importance"},
    "matplotlib": {"figures"},
    "plotly": {"figures"},
    "jinja2": {"report"},
    "torch": set(),
}
# Later stages may import earlier ones, never the other way round.
FLOW = [
    "whole",
    "errors",
    "lock",
    "lines",
    "trial",
    "provenance",
    "trainer",
    "spec",
    "family",
    "ranking",
    "samplers",
    "search",
    "peers",
    "pruning",
    "checkpoints",
    "job",
    "attempt",
    "pack",
    "schedule",
    "running",
    "line",
    "ledger",
    "garbage",
    "study",
]
FLOW += ["plan", "proposals", "session", "experiment", "mirrored", "pages", "mlflow_store", "tracking"]
FLOW += ["mirror_input", "run", "closing", "cli"]


def imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere, `sweeper.x` as `sweeper.x`, others by their first name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {".".join(n.split(".")[:2]) if n.startswith("sweeper") else n.split(".")[0] for n in names}


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_its_owner(library: str) -> None:
    users = {"figures" if path in FIGURES else path.stem for path in MODULES if library in imports(path)}
    assert users <= OWNERS[library]


@pytest.mark.parametrize("number", range(len(FLOW)))
def test_a_stage_imports_no_later_stage(number: int) -> None:
    later = {f"sweeper.{name}" for name in FLOW[number + 1 :]}
    assert not imports(ROOT / "sweeper" / f"{FLOW[number]}.py") & later


def test_the_bundled_trainer_can_be_lifted_out() -> None:
    used = set().union(*(imports(path) for path in (ROOT / "sweeper" / "cvae").rglob("*.py")))
    own = {name for name in used if name == "sweeper.cvae" or not name.startswith("sweeper")}
    assert used == own
    assert {name for name in own if name not in sys.stdlib_module_names} <= {"torch", "safetensors", "sweeper.cvae"}


@pytest.mark.parametrize("words", [["--help"], ["plan", "x.yaml"], ["validate", "x.yaml"], ["list"], ["export", "toy"]])
def test_quick_verbs_load_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("trainer: cvae\nparameters: {loss.beta: {values: [0, 1]}}\n")
    code = (
        "import sys; from sweeper.__main__ import main; sys.argv = ['sweeper', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *({'torch', 'ray', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1].strip() == "LOADED", done.stderr


def test_no_module_outgrows_its_noun() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "sweeper").rglob("*.py")}
    assert not {name: length for name, length in lengths.items() if length > 300}
