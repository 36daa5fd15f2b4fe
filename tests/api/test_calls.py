"""`sweeper.run` and `sweeper.plan`: files, mappings and overrides from Python, with what the command line gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweeper
from tests.api.cells import Cells
from tests.conftest import QUADRATIC, Sweeper

TOY = {
    "name": "toy",
    "trainer": "quadratic:train",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"x": {"values": np.arange(1, 5)}},
}
HERE: dict[str, Any] = {"runner": "inprocess", "quiet": True}


def keys(plan: Any) -> list[str]:
    return [trial.key for trial in plan.to_run]


def test_a_mapping_and_overrides_make_the_trials_of_the_command_line(toy: Path, sweeper: Sweeper) -> None:
    import sweeper as package

    file = package.make_plan(package.load_spec(toy, ["seeds=2", "x=1,2", "metric.goal=maximize"]))
    mapping = package.plan(TOY, overrides={"x": (1, 2), "metric.goal": "maximize"}, seeds=2)
    words = package.plan("toy", overrides=["x=1,2", "metric.goal=maximize"], seeds=range(2))  # a name, as there
    assert keys(file) == keys(mapping) == keys(words)
    assert len(keys(file)) == 4
    done = package.run(TOY, **HERE)
    assert (done.outcome.exit_code.name, len(done.trials), done.verdicts) == ("OK", 4, ())
    assert "<table" in done._repr_html_()
    assert "nothing to train" in sweeper("run", toy, "--runner", "inprocess").err  # its results are those of the file
    assert package.run(toy, **HERE).outcome.trained == 0


def test_errors_are_those_of_the_command_line(folder: Path, sweeper: Sweeper) -> None:
    import sweeper as package

    (folder / "bad.yaml").write_text(QUADRATIC.replace("grid", "gird").replace("values", "valeus"))
    (folder / "open.yaml").write_text(QUADRATIC.replace("grid", "random"))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("bad.yaml", {}),
        ("open.yaml", {}),
        ("gone.yaml", {}),
        ("open.yaml", {"metod": "grid"}),
    ]
    for file, words in cases:
        said = sweeper("plan", file, *(f"{key}={value}" for key, value in words.items()))
        with pytest.raises(package.SweeperError) as raised:
            package.plan(file, **words)
        shown = said.err.replace("error: ", "").rstrip().splitlines()
        assert shown[-len(str(raised.value).splitlines()) :] == str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "gird"}, r"dict: method: .*\n  found: \"gird\"\n  allowed: grid"),
        ({"base": {"f": object()}}, "dict: base.f: a value that a sweep file cannot hold\n  found: <object"),
        ({"base": {"y": float("nan")}}, "dict: base.y: a value that a sweep file cannot hold"),
        ({"name": None}, "name"),
        ({"trainer": "gone:train"}, "No module named 'gone'"),
    ],
)
def test_a_wrong_mapping_is_refused_and_nothing_is_made(changed: dict[str, Any], said: str, folder: Path) -> None:
    with pytest.raises(sweeper.SweeperError, match=said):
        sweeper.run({**TOY, **changed}, **HERE)
    with pytest.raises(sweeper.SweeperError, match="name is missing"):
        sweeper.plan({"parameters": {"x": {"values": [1, 2]}}})
    with pytest.raises(sweeper.SweeperError, match="no such runner\n  found: 'rey'"):
        sweeper.run(TOY, runner="rey")
    assert list(folder.iterdir()) == []


def test_failures_and_interrupts_do_not_end_the_program(folder: Path) -> None:
    failed = sweeper.run(TOY, trainer="naughty:raises", overrides={"metric.name": "score", "retry.max": 0}, **HERE)
    assert (failed.outcome.exit_code.name, set(failed.trials["state"])) == ("TRIALS_FAILED", {"failed"})

    def train(params: Any, report: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        report(1, {"loss": params["x"]})

    with pytest.raises(KeyboardInterrupt):
        sweeper.run({**TOY, "name": "other"}, trainer=train, **HERE)
    assert len(sweeper.plan({**TOY, "name": "other"}, trainer=train).to_run) == 3


CELL = """
import helper
SHIFT = 0.5
def squared(x):
    return x * x
class Model:
    def loss(self, x):
        return squared(x) + SHIFT + helper.MORE
def train(params, report):
    report(1, {"loss": Model().loss(params["x"])})
"""


@pytest.fixture
def notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cells:
    (folder / "helper.py").write_text("MORE = 0.25\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    cells = Cells()
    cells.run(CELL)
    return cells


def test_a_function_of_a_cell_is_trained_here_and_known_by_what_it_uses(notebook: Cells, capsys: Any) -> None:
    train = notebook.variables["train"]
    done = sweeper.run({**TOY, "trainer": train})
    assert sorted(done.trials["loss"]) == [1.75, 4.75, 9.75, 16.75]
    assert "4/4" in capsys.readouterr().err
    notebook.run(CELL + "# a comment\nunrelated = 3\n")
    assert sweeper.run(TOY, trainer=notebook.variables["train"], **HERE).outcome.trained == 0
    for changed in (
        CELL.replace("SHIFT = 0.5", "SHIFT = 0.75"),
        CELL.replace("x * x", "x * x * x"),
        CELL.replace("+ SHIFT", "- SHIFT"),
        CELL.replace("report(1", "report(2"),
    ):
        notebook.run(changed)
        plan = sweeper.plan(TOY, trainer=notebook.variables["train"])
        assert {item.action.name for item in plan.items} == {"STALE"}, changed


def test_what_cannot_be_known_of_a_cell_is_refused(notebook: Cells, folder: Path) -> None:
    with pytest.raises(sweeper.SweeperError, match=r'no worker could import(.|\n)*trainer="my_module:train"'):
        sweeper.run(TOY, trainer=notebook.variables["train"], runner="ray")
    notebook.run("lines = open('helper.py')\ndef reads(params, report):\n    report(1, {'loss': len(list(lines))})")
    with pytest.raises(sweeper.SweeperError, match="lines has no content that can be read"):
        sweeper.run(TOY, trainer=notebook.variables["reads"])
    notebook.variables["lines"].close()
    (folder / "helper.py").write_text("def more():\n    return 0.3\nMORE = 0.3\n")
    typed: dict[str, Any] = {"__name__": "__main__"}
    exec("def train(params, report): pass", typed)
    with pytest.raises(sweeper.SweeperError, match="the source of this function cannot be found"):
        sweeper.run(TOY, trainer=typed["train"])
    with pytest.raises(sweeper.SweeperError, match=r"in no file to import(.|\n)*of a notebook"):
        sweeper.plan(TOY, trainer="__main__:other")
    assert not Path("results").exists()


def test_lambdas_partials_and_what_fuse_makes_are_known_by_their_parts(notebook: Cells) -> None:
    from sweeper.trainer.live_code import function_digest

    def digest(text: str) -> str:
        return function_digest(notebook.run(text)["made"])

    text = "import functools\ndef f(a, b):\n    return a, b\nmade = lambda p, r: functools.partial(f, {})"
    assert digest(text.format(1)) == digest(text.format(1) + "  # same") != digest(text.format(2))
    two = "pair = (lambda p, r: 1, lambda p, r: 2)\nmade = pair[{}]"
    assert digest(two.format(0)) != digest(two.format(1))
    closure = "def outer(k):\n    def inner(p, r):\n        return k\n    return inner\nmade = outer({})"
    assert digest(closure.format("[1, 2]")) == digest(closure.format("[1, 2]")) != digest(closure.format("[1, 3]"))
    array = "import numpy as np\nx = np.ones(3) * {}\nmade = lambda p, r: x.sum()"
    assert digest(array.format(1)) == digest(array.format(1.0)) != digest(array.format(2))


SCRIPT = """
import sweeper
def train(params, report):
    report(1, {"loss": params["x"]})
GUARD
    plan = sweeper.plan({"name": "own", "parameters": {"x": {"values": [1, 2]}}}, trainer=train)
    print(len(plan.to_run), plan.to_run[0].trainer)
"""


def test_a_script_runs_its_own_function_by_its_module(folder: Path) -> None:
    def script(guard: str) -> subprocess.CompletedProcess[str]:
        (folder / "own.py").write_text(SCRIPT.replace("GUARD", guard))
        return subprocess.run([sys.executable, "own.py"], cwd=folder, capture_output=True, text=True, timeout=200)

    refused = script("if True:")
    assert (refused.returncode, "put the call below `if __name__" in refused.stderr) == (1, True), refused.stderr
    done = script('if __name__ == "__main__":')
    assert done.stdout == "2 own:train\n", done.stderr
