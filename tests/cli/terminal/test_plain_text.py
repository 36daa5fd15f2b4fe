from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.cli.terminal import plain_text
from sweeper.cli.terminal.console import PlainConsole, print_problems
from sweeper.errors import Problem
from tests.conftest import Sweeper

EVIL = "a\x1b]0;title\x07b\x1b[2Jc\x9b31md\re\u202ef\ud800g\x1b]52;c;aGk=\x07[bold]h[/x] :smile:\x00\x7f"
SHOWN = "a]0;titleb[2Jc31mdef\N{REPLACEMENT CHARACTER}g]52;c;aGk=[bold]h[/x] :smile:"


def test_control_characters_are_stripped_and_text_is_left() -> None:
    assert plain_text.plain(EVIL) == SHOWN
    assert plain_text.plain("α ± 1\n\t→ 漢字 é") == "α ± 1\n\t→ 漢字 é"


def test_whatever_is_drawn_reaches_the_terminal_plain() -> None:
    console = PlainConsole(file=io.StringIO(), width=300, force_terminal=True, no_color=True)
    table = Table(EVIL, title=EVIL)
    table.add_row(EVIL, style="bold")
    for drawn in (EVIL, Text(EVIL), table):
        console.print(drawn)
    print_problems(console, [Problem(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL)])
    with Live(Text(EVIL), console=console, auto_refresh=False):
        pass
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert text.count(SHOWN) >= 12  # Live draws twice
    assert not any(code in text for code in ("\x1b]", "\x1b[2J", "\x9b", "\x07", "\u202e", "\ud800", "\x7f"))


@pytest.mark.parametrize(("terminal", "expected"), [(True, SHOWN), (False, EVIL)])
def test_a_document_is_plain_on_a_terminal_and_as_it_is_in_a_pipe(
    terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout", stream)
    plain_text.write(EVIL)
    assert stream.getvalue() == expected


def test_a_log_and_a_reason_of_a_stranger_are_shown_plain(folder: Path, sweeper: Sweeper) -> None:
    """Real commands on a real ledger: the trainer's reason, its log, the sweep's description."""
    (folder / "evil.py").write_text(
        f"EVIL = {EVIL!r}\n"
        "def train(params, report):\n"
        "    report(1, {'loss': 1.0})\n"
        "    print(EVIL.replace(chr(0xd800), ''), flush=True)\n"
        "    raise ValueError(EVIL.replace(chr(0xd800), ''))\n"
    )
    (folder / "e.yaml").write_text(
        "trainer: evil:train\nmetric: {name: loss, goal: minimize}\nretry: {max: 0}\n"
        'parameters: {x: {values: ["\\e[2J", b]}}\ntracking: {uri: null}\n'
    )
    said = [sweeper("run", "e.yaml", "--runner", "inprocess"), sweeper("status", "e")]
    [key, _] = sorted(path.name for path in (folder / "results" / "e" / "trials").iterdir())
    said += [sweeper("show", "e", key), sweeper("list"), sweeper("plan", "e.yaml")]
    assert "a]0;titleb[2Jc" in said[0].err
    assert "a]0;titleb[2Jc" in said[2].out
    assert not any("\x1b" in text or "\x07" in text for one in said for text in (one.out, one.err))
