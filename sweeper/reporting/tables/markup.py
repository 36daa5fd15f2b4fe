"""A table for people, and its three markups: Markdown as GitHub renders it, LaTeX with booktabs, HTML.

Cells are plain text with the signs ± ↑ ↓; each markup escapes its own marks. The same table gives the same bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {mark: f"\\{mark}" for mark in "&%$#_{}"}
_TEX |= {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "<": "$<$", ">": "$>$", "|": "$|$"}
_TEX |= {'"': "''", "\n": " "}
_STYLE = (
    ":root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif } table { border-collapse: collapse }"
    " caption { text-align: left; padding-bottom: .5em } th, td { padding: .15em .7em } th { text-align: left }"
    " thead { border-block: 2px solid; border-block-end-width: 1px } tbody { border-block-end: 2px solid }"
    ' td { font-variant-numeric: tabular-nums } th[scope="colgroup"] { text-align: center }'
)
LONG = 28  # characters of a text that is broken into lines
_MINUS = re.compile(r"(?<![\w}])-(?=[\d.])")
_POWER = re.compile(r"(?<![\w.])(-?)(\d+(?:\.\d+)?)e([+-]\d+)(?!\w|\.\d)")  # as numbers are shown: a digest has no sign
_QUOTED = re.compile("''(.*?)''")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_MARKDOWN = re.compile(r"([\\`*_<>&|~]|\](?=[(\[]))")  # a bracket means something only before another


@dataclass(frozen=True, slots=True)
class Cell:
    """A text; `bold` marks the best of a row, `number` stands to the right."""

    text: str
    bold: bool = False
    number: bool = False


@dataclass(frozen=True, slots=True)
class StyledTable:
    """Headings and rows of as many cells each; `caption` describes what is shown, `note` names its source.

    The first `row_headers` columns name the row; `spanner` is the heading above all others, where the markup has one.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    note: str = ""
    row_headers: int = 0
    spanner: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers (or nothing) only."""
        return [all(row[i].number or not row[i].text for row in self.rows) for i in range(len(self.head))]


def markdown(table: StyledTable) -> str:
    """The table as a Markdown table, its caption above, its note in a comment below."""
    lines = [f"{_markdown(table.caption)}\n"] if table.caption else []
    lines.append(_line([_markdown(text) for text in table.head]))
    lines.append(_line(["---:" if right else "---" for right in table.numeric]))
    for row in table.rows:
        texts = ((_markdown(cell.text), cell.bold) for cell in row)
        lines.append(_line([f"**{text}**" if bold and text else text for text, bold in texts]))
    if table.note:
        lines.append(f"\n<!-- {_comment(table.note)} -->")
    return "\n".join(lines) + "\n"


def latex(table: StyledTable) -> str:
    r"""The table as a tabular of booktabs (`\usepackage{booktabs}`), its caption and note in comments."""
    lines = [f"% {_one_line(text)}" for text in (table.note, table.caption, r"needs \usepackage{booktabs}") if text]
    lines.append(rf"\begin{{tabular}}{{{''.join(_columns(table))}}}")
    lines += [r"\toprule", *_spanning(table), _row([_tex(text) for text in table.head]), r"\midrule"]
    for row in table.rows:
        texts = ((_tex(cell.text), cell.bold) for cell in row)
        # a row that begins with [ would be read as the option of the \\ before it
        lines.append(_row([rf"\textbf{{{text}}}" if bold else text.replace("[", "{[}") for text, bold in texts]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def latex_text(paragraphs: Sequence[str]) -> str:
    """Plain text as LaTeX, a paragraph each: marks escaped, quotes opened and closed, hashes that may break."""
    return "\n\n".join(_HASH.sub(_breakable, _QUOTED.sub(r"``\1''", _tex(text))) for text in paragraphs) + "\n"


def page(table: StyledTable) -> str:
    """The table as a small HTML page of its own: one table, readable in print, in light and in dark."""
    lines = ["<!DOCTYPE html>", '<meta charset="utf-8">', f"<title>{html.escape(table.caption or 'table')}</title>"]
    lines += [f"<style>{_STYLE}</style>", *([f"<!-- {_comment(table.note)} -->"] if table.note else []), "<table>"]
    if table.caption:
        lines.append(f"<caption>{html.escape(table.caption)}</caption>")
    sides = (' style="text-align: right"' if right else "" for right in table.numeric)
    head = "".join(f'<th scope="col"{s}>{html.escape(text)}</th>' for s, text in zip(sides, table.head, strict=True))
    lines += ["<thead>", *_colspan(table), f"<tr>{head}</tr>", "</thead>", "<tbody>"]
    lines += [
        f"<tr>{''.join(_td(cell, i < table.row_headers) for i, cell in enumerate(row))}</tr>" for row in table.rows
    ]
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def _columns(table: StyledTable) -> list[str]:
    """Numbers to the right, texts to the left, and long texts in lines of their own within the column."""
    longest = [max((len(row[i].text) for row in table.rows), default=0) for i in range(len(table.head))]
    share = 0.6 / max(1, sum(length > LONG for length in longest))
    plain = ("r" if right else "l" for right in table.numeric)
    return [rf"p{{{share:.2g}\linewidth}}" if n > LONG else one for n, one in zip(longest, plain, strict=True)]


def _spanning(table: StyledTable) -> list[str]:
    if not table.spanner:
        return []
    first, count = table.row_headers + 1, len(table.head) - table.row_headers
    spanner = rf"\multicolumn{{{count}}}{{c}}{{{_tex(table.spanner)}}}"
    return [_row([*[""] * table.row_headers, spanner]), rf"\cmidrule(lr){{{first}-{len(table.head)}}}"]


def _colspan(table: StyledTable) -> list[str]:
    if not table.spanner:
        return []
    count = len(table.head) - table.row_headers
    spanner = f'<th scope="colgroup" colspan="{count}">{html.escape(table.spanner)}</th>'
    return [f'<tr><td colspan="{table.row_headers}"></td>{spanner}</tr>']


def _td(cell: Cell, names: bool) -> str:
    text = html.escape(cell.text)
    if names:
        return f'<th scope="row">{text}</th>'
    style = ' style="text-align: right"' if cell.number else ""
    return f"<td{style}><strong>{text}</strong></td>" if cell.bold else f"<td{style}>{text}</td>"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _row(texts: Sequence[str]) -> str:
    return f"{' & '.join(texts)} \\\\"


def _markdown(text: str) -> str:
    """Marks escaped where they could mean something: an underscore within a word does not, so that names stay whole."""
    escaped = _MARKDOWN.sub(r"\\\1", _one_line(text))
    return re.sub(r"(?<=\w)\\_(?=\w)", "_", escaped)


def _tex(text: str) -> str:
    """Marks escaped, 1.5e-05 as a power of ten; signs that pdflatex has no letter for become a question mark."""
    text, made, end = _one_line(text), "", 0
    for found in _POWER.finditer(text):
        made, end = made + _escaped(text[end : found.start()]) + _power(found), found.end()
    return made + _escaped(text[end:])


def _power(number: re.Match[str]) -> str:
    minus, digits, exponent = number.groups()
    factor = "" if digits == "1" else rf"{digits}\times "
    return rf"${minus}{factor}10^{{{int(exponent)}}}$"


def _escaped(text: str) -> str:
    marked = _MINUS.sub("\x00", text)
    letters = (_TEX.get(c) or (c if c.isprintable() and ord(c) < 256 else "?" if c != "\x00" else c) for c in marked)
    return "".join(letters).replace("\x00", "$-$")


def _breakable(found: re.Match[str]) -> str:
    """A hash that a line may break after every eighth digit."""
    return r"\allowbreak{}".join(found[0][at : at + 8] for at in range(0, 64, 8))


def _comment(text: str) -> str:
    return _one_line(text).replace("--", "- -")


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
