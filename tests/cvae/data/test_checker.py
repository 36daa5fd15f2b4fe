"""A checker of one's own is refused before anything is trained, and by reading alone."""

from __future__ import annotations

import pytest

from sweeper.cvae import config
from sweeper.cvae.data.checker import checker_problem

FINE = {
    "def": "def ok(prompt, output):\n    return True\n",
    "default": "def ok(prompt, output, strict=True):\n    return True\n",
    "rest": "def ok(*tokens):\n    return True\n",
    "assigned": "ok = lambda prompt, output: True\n",
    "imported": "from elsewhere import right as ok\n",
    "star": "from elsewhere import *\n",
    "either": "try:\n    from elsewhere import ok\nexcept ImportError:\n    def ok(prompt, output):\n        pass\n",
    "class": "class ok:\n    def __new__(cls, prompt, output):\n        return True\n",
    "decorated": "@cached\ndef ok(prompt):\n    return True\n",
}
WRONG = {
    "def right(prompt, output):\n    return True\n": "mine.py has no function ok",
    "def outer():\n    def ok(prompt, output):\n        return True\n": "mine.py has no function ok",
    "def ok(prompt: return True\n": "mine.py line 1: ",
    "def ok(output):\n    return True\n": "ok takes 1 argument",
    "def ok(prompt, output, strategy):\n    return True\n": "ok takes 3 arguments",
    "def ok(prompt, output, *, strict):\n    return True\n": "ok needs keyword arguments",
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_may_be_called_is_accepted_and_not_run(tmp_path, text):
    (tmp_path / "mine.py").write_text(text + "raise SystemExit('it was run')\n")
    assert checker_problem("mine:ok") == ""


@pytest.mark.parametrize(("text", "problem"), WRONG.items(), ids=WRONG.values())
def test_what_cannot_be_called_is_named(tmp_path, text, problem):
    (tmp_path / "mine.py").write_text(text)
    assert checker_problem("mine:ok").startswith(problem)


def test_modules_are_found_in_packages_and_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise SystemExit('it was run')\n")
    (tmp_path / "package" / "mine.py").write_text(FINE["def"])
    assert checker_problem("package.mine:ok") == ""
    assert checker_problem("package.mine:no") == "mine.py has no function no"
    assert checker_problem("package.other:ok").startswith("no module package.other ")
    assert checker_problem("json:loads") == ""  # of Python itself: not looked at


def test_a_sweep_with_a_checker_that_is_not_there_is_refused(tmp_path):
    rows = "".join(f'{{"prompt": "a{i}", "target": "b"}}\n' for i in range(60))
    (tmp_path / "data.jsonl").write_text(rows)
    params = {"task.name": "file", "task.path": "data.jsonl", "task.checker": "mine:ok"}
    [problem] = config.check(params)
    assert (problem.key, "no module mine" in str(problem.found)) == ("task.checker", True)
    (tmp_path / "mine.py").write_text(FINE["def"])
    assert config.check(params) == []
