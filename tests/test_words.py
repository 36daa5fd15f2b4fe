"""Names are the field's words: none of the former private words is left in `sweeper/` or on a page."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[1] / "sweeper").rglob("*.py"))
IN_NAMES = {"course", "stretch", "surprise", "replay", "standin", "told", "owed", "owes", "glance", "sheet", "stub"}
IN_NAMES |= {"uncertain", "lacking", "peer", "heard", "fate", "doubt", "judgement", "subject", "unfit", "rail", "trade"}
IN_NAMES |= {"room", "verb", "price", "picture", "closing", "loaded"}
IN_TEXTS = ["courses?", "stretch(?:es)?", "surprise", "replay", "stand-ins?", "told", "owe[ds]?", "glance", "sheets?"]
IN_TEXTS += ["stubs?", "lacking", "peers", "heard", "fates?", "judge?ments?", "unfit", "rails", "verbs?", "prices?"]
IN_TEXTS += ["pictures?", "heed", "dearer", "in vain", "in good order", "for want of", "read past", "in doubt"]
IN_TEXTS += ["beside", "says", "speaks?", "hears?", "nobody", "who(?:so)?ever"]
PER = re.compile(
    r"\b(?:one|two|three|once|twice|\d[\d_.]*)(?: (?!(?:as|by|for|if|in|is|of|on|or|to|when|where)\b)[a-z]+)? an? "
    r"(?:second|minute|hour|step|trial|seed|sweep|run|line|file|pack|metric|process|worker|core|configuration|cell|row"
    r"|column|parameter|event|batch|member|device|GPU|call|report|level|group|value|token)\b"
)
ALLOWED = {  # a word that is the field's in these files
    "price": ["sweeper/cvae/evaluation/matching.py"],  # the dual variables of an assignment
    "loaded": [
        "sweeper/cvae/training/baseline.py",
        "sweeper/trainer/planned_source.py",
    ],  # states, and modules that Python has
    "closing": ["sweeper/tracking/mirror.py"],  # between the call of `close` and its end
    # Strings of the bundled trainer: rewording them would change its code digest.
    "says": [f"sweeper/cvae/{file}.py" for file in ("metrics", "task_config", "terms")],
}
TEXT = re.compile(rf"\b(?:{'|'.join(IN_TEXTS)})\b", re.IGNORECASE)


def parts(name: str) -> list[str]:
    """The words of an identifier: `_LossTerm` is loss, term."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that the code itself gives, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def texts(source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Docstrings, messages and comments, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def private_words(source: str) -> Iterator[tuple[int, str]]:
    """Each line with a private word, and the word."""
    tree = ast.parse(source)
    for line, name in defined(tree):
        words = {form for part in parts(name) for form in (part, part.removesuffix("s"))}
        yield from ((line, word) for word in sorted(words & IN_NAMES))
    for line, text in texts(source, tree):
        yield from ((line, match.group().lower()) for match in TEXT.finditer(text))
        yield from ((line, match.group()) for match in PER.finditer(text))


def test_no_private_word_is_left_on_the_pages() -> None:
    root = SOURCES[0].parents[1]
    pages = [root / "README.md", root / ".github/CONTRIBUTING.md", root / "results/README.md"]
    pages += [page for folder in ("sweeper", "tests") for page in (root / folder).rglob("*.md")]
    found = [
        f"{page.relative_to(root)}:{number}: {match.group()}"
        for page in pages
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for pattern in (TEXT, PER)
        for match in pattern.finditer(line)
    ]
    assert not found, "\n".join(found)


def test_no_private_word_is_left_in_the_code() -> None:
    found = []
    for path in SOURCES:
        file = path.relative_to(SOURCES[0].parents[1]).as_posix()
        found += [
            f"{file}:{line}: {word}"
            for line, word in private_words(path.read_text())
            if file not in ALLOWED.get(word, ())
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("class PriceTag: ...", "price"),
        ("def f(sheet): ...", "sheet"),
        ("self.stubs = 1", "stub"),
        ('"""The fate of a trial."""', "fate"),
        ("x = 1  # read past", "read past"),
        ('message = f"{x} stand-ins"', "stand-ins"),
        ('"""Writes one line a trial."""', "one line a trial"),
    ],
)
def test_a_private_word_is_found(source: str, word: str) -> None:
    assert (1, word) in set(private_words(source))


def test_the_field_s_words_are_left_alone() -> None:
    assert not list(private_words("from contextlib import closing\nx.gather(1)  # one trial, a sweep of rooms"))
