"""The one place that keeps control characters from a terminal: names, reasons and logs may be a stranger's.

Escape sequences can set a terminal's title, clear its screen or fill the clipboard; marks of direction can make a text
read backwards; half of a surrogate pair cannot be written at all.
"""

from __future__ import annotations

import sys

_KEPT = "\n\t"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_STRIPPED = dict.fromkeys(number for number in (*_CONTROLS, *_DIRECTIONS) if chr(number) not in _KEPT)
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_TABLE = _STRIPPED | _SURROGATES


def plain(text: str) -> str:
    """The text without control characters; new lines and tabs stay."""
    return text.translate(_TABLE)


def print_text(text: object, *, news: bool = False) -> None:
    """Print a line: a path, an address. `news` goes to standard error."""
    print(plain(str(text)), file=sys.stderr if news else sys.stdout, flush=True)


def write(text: str) -> None:
    """Write a document to standard output: as it is to a file or a pipe, without control characters to a terminal."""
    sys.stdout.write(plain(text) if sys.stdout.isatty() else text)
