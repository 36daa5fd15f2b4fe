from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from sweeper.reporting.tables import markup
from sweeper.reporting.tables.markup import Cell, StyledTable

NASTY = r"""a_b & c|d <script>alert("x")</script> 50% #1 ${x} \input{y} ~^ *bold* [link](z) `code` 漢 é"""
TABLE = StyledTable(
    ["name_of [nats] ↑", "x = -0.5"],
    [
        [Cell(NASTY), Cell("-0.98 ± 0.05", bold=True, number=True)],
        [Cell("[0, 1]"), Cell("1 [0.9, 1.1]", number=True)],
        [Cell(""), Cell("")],
    ],
    caption="loss/total ↓: 100 % of a & b",
    note="hash -- 0123",
    row_headers=1,
    spanner="score ↑",
)


def test_the_markdown_is_one_table_with_the_cells_as_they_are() -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markup.markdown(TABLE))
    cells = [
        "".join(child.content for child in tokens[i + 1].children or [])
        for i, token in enumerate(tokens)
        if token.type in ("th_open", "td_open")
    ]
    assert cells == ["name_of [nats] ↑", "x = -0.5", NASTY, "-0.98 ± 0.05", "[0, 1]", "1 [0.9, 1.1]", "", ""]
    assert [token.type for token in tokens].count("strong_open") == 0  # inline tokens are children
    assert "**-0.98 ± 0.05**" in markup.markdown(TABLE)


def test_names_with_underscores_stay_readable_in_markdown() -> None:
    assert "| name_of [nats] ↑ |" in markup.markdown(TABLE)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: apt-get install texlive-latex-recommended")
def test_the_latex_compiles(tmp_path: Path) -> None:
    frame = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n%s\\end{document}\n"
    (tmp_path / "t.tex").write_text(frame % markup.latex(TABLE), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").exists()


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("-1.02e-05", r"$-1.02\times 10^{-5}$"),
        ("1e-05", r"$10^{-5}$"),
        ("2.5e+10 ± 3e+08", r"$2.5\times 10^{10}$ $\pm$ $3\times 10^{8}$"),
        ("gain [-1e-05, 0.5], lr=3e-04", r"gain {[}$-10^{-5}$, 0.5], lr=$3\times 10^{-4}$"),
        ("0123e45, ab1e-05, 1e-05x, v1.2e-3.1", "0123e45, ab1e-05, 1e-05x, v1.2e-3.1"),
    ],
)
def test_latex_sets_exponents_as_powers_of_ten(text: str, set_as: str) -> None:
    lines = markup.latex(StyledTable(["x"], [[Cell(text)]])).splitlines()
    assert f"{set_as} \\\\" in lines


def test_latex_sets_minus_signs_and_plus_minus_in_mathematics() -> None:
    assert r"\textbf{$-$0.98 $\pm$ 0.05}" in markup.latex(TABLE)
    assert r"\multicolumn{1}{c}{score $\uparrow$}" in markup.latex(TABLE)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


def test_the_html_shows_the_cells_and_runs_nothing() -> None:
    reader = Reader()
    reader.feed(markup.page(TABLE))
    assert "script" not in reader.tags
    assert NASTY in reader.said
    assert reader.tags.count("tr") == 5


def test_the_note_is_there_and_ends_no_comment() -> None:
    assert all("hash - - 0123" in text for text in (markup.markdown(TABLE), markup.page(TABLE)))
    assert markup.latex(TABLE).startswith("% hash -- 0123\n")
