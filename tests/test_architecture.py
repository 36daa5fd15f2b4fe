"""The arrows of the design: data flows one way, each library has one owner, and quick verbs load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [path for path in sorted((ROOT / "sweeper").rglob("*.py")) if "cvae" not in path.parts]
OWNERS = {
    "typer": {
        "sweeper.cli.app",
        "sweeper.cli.export",
        "sweeper.cli.files",
        "sweeper.cli.gc",
        "sweeper.cli.judge",
        "sweeper.cli.options",
        "sweeper.cli.output",
        "sweeper.cli.plot",
        "sweeper.cli.results",
        "sweeper.cli.run",
    },
    "rich": {
        "sweeper.cli.output",
        "sweeper.cli.results",
        "sweeper.cli.run",
        "sweeper.cli.terminal.summary",
        "sweeper.cli.terminal.comparison",
        "sweeper.cli.terminal.console",
        "sweeper.execution.run",
        "sweeper.cli.terminal.samples",
        "sweeper.cli.terminal.status",
        "sweeper.execution.single_trial",
        "sweeper.cli.terminal.verdicts",
    },
    "ray": {"sweeper.execution.ray_tune"},
    "mlflow": {"sweeper.tracking.database", "sweeper.tracking.store", "sweeper.tracking.server"},
    "optuna": {"sweeper.search", "sweeper.reporting.tables.optuna_study", "sweeper.analysis.importance"},
    "matplotlib": {"sweeper.reporting.figures"},
    "plotly": {"sweeper.reporting.figures"},
    "jinja2": {"sweeper.reporting.report.page"},
    "torch": set(),
}
# Later stages may import earlier ones, never the other way round.
FLOW = [
    "sweeper.ledger.atomic",
    "sweeper.errors",
    "sweeper.ledger.lock",
    "sweeper.ledger.jsonl",
    "sweeper.trial",
    "sweeper.provenance",
    "sweeper.trainer",
    "sweeper.spec.load",
    "sweeper.planning.trial_factory",
    "sweeper.search.ranking",
    "sweeper.search.samplers",
    "sweeper.search.searcher",
    "sweeper.search.pruning_rules",
    "sweeper.search.pruner",
    "sweeper.execution.worker.checkpoints",
    "sweeper.execution.worker.job",
    "sweeper.execution.worker.attempt",
    "sweeper.execution.worker.pack",
    "sweeper.execution.runner",
    "sweeper.execution.running_pack",
    "sweeper.execution.ray_tune.mailbox",
    "sweeper.ledger.ledger",
    "sweeper.execution.retention",
    "sweeper.reporting.tables.optuna_study",
    "sweeper.planning.plan",
    "sweeper.search.proposals",
    "sweeper.execution.session",
    "sweeper.tracking.experiment",
    "sweeper.tracking.trial_run",
    "sweeper.tracking.overview_runs",
    "sweeper.tracking.store",
    "sweeper.tracking.mirror",
    "sweeper.tracking.inputs",
    "sweeper.execution.run",
    "sweeper.cli.terminal.summary",
    "sweeper.cli.app",
]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere, ours by their full names, others by their first."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name if name.startswith("sweeper") else name.split(".")[0] for name in names}


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_its_owner(library: str) -> None:
    users = {dotted(path) for path in MODULES if library in imports(path)}
    strangers = {user for user in users if not any(f"{user}.".startswith(f"{owner}.") for owner in OWNERS[library])}
    assert not strangers


@pytest.mark.parametrize("number", range(len(FLOW)))
def test_a_stage_imports_no_later_stage(number: int) -> None:
    (file,) = (path for path in MODULES if dotted(path) == FLOW[number])
    assert not imports(file) & set(FLOW[number + 1 :])


def test_the_bundled_trainer_can_be_lifted_out() -> None:
    used = set().union(*(imports(path) for path in (ROOT / "sweeper" / "cvae").rglob("*.py")))
    assert all(name.startswith("sweeper.cvae") for name in used if name.startswith("sweeper"))
    others = {name for name in used if not name.startswith("sweeper") and name not in sys.stdlib_module_names}
    assert others <= {"torch", "safetensors"}


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
