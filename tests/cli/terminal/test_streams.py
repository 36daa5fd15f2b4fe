"""Standard streams that are closed or full: a run goes on, a command that prints says what it could not do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from tests.execution.runs import train


def shell(words: str) -> tuple[int, str]:
    """A command with redirections; its exit code and what came on standard error."""
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m sweeper {words}"], capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_run_without_streams_trains_everything(toy: Path, streams: str) -> None:
    assert shell(f"run {toy} --runner inprocess {streams}")[0] == 0
    assert len([r for r in read_history(SweepDir(Path("results"), "toy")).planned() if r.ended]) == 4


@pytest.mark.parametrize("command", ["status toy", "export toy", "--help"])
def test_output_that_is_lost_is_an_error_of_one_line(toy: Path, command: str) -> None:
    train(toy)
    code, news = shell(f"{command} >/dev/full")
    assert (code, news.count("\n")) == (1, 1)
    assert "standard output cannot be written" in news
    assert shell(f"{command} >&-")[0] == 0


def test_a_pipe_that_breaks_elsewhere_is_an_error_and_a_reader_that_left_is_none(toy: Path, tmp_path: Path) -> None:
    """Else a command whose server or worker is gone would end with 0 and without a word."""
    (tmp_path / "broken.py").write_text(
        "import sys\nimport sweeper.__main__ as m\nimport sweeper.cli.app\n"
        "def app():\n    print('x' * 100_000)\n    raise BrokenPipeError('another one')\n"
        "sweeper.cli.app.app = app\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "broken.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "internal error: BrokenPipeError: another one" in done.stderr
    piped = f"set -o pipefail; {sys.executable} broken.py | head -c 1"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
