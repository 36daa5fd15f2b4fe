"""Rows, checked and written to files as tokens while they are read, so that memory does not grow with their tokens.

Held in memory: the vocabularies, and about 40 bytes for each different prompt. Shapes: N prompts, E examples, in the
order of the files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeper.cvae.data.problem import DataError
from sweeper.cvae.data.tokens import Tokenizer, tokens_of

HELD_OUT = 0.1  # of the prompts, for validation, and as many for the test, where there is no split column
SPLITS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2}
ARRAYS = {  # name -> type code of the array module
    "prompt_tokens": "i", "prompt_ends": "q", "prompt_hash": "d", "prompt_split": "b",
    "target_tokens": "i", "target_ends": "q", "example_prompt": "i", "example_strategy": "i", "example_weight": "d",
}  # fmt: skip
MOST = {"prompt": 1_000_000, "target": 1_000_000, "strategy": 4096}  # different ones: beyond, a column is another
DIGEST = 16  # bytes of a prompt's
HELD = 1 << 16  # numbers of an array that wait to be written


class ArrayFile:
    """Numbers that are appended to a file, ``HELD`` at a time."""

    def __init__(self, path: Path, code: str) -> None:
        self.held: array[Any] = array(code)
        self.file, self.length = path.open("wb"), 0

    def append(self, number: float) -> None:
        """One number."""
        self.extend((number,))

    def extend(self, numbers: Iterable[float]) -> None:
        """Several, in order."""
        before = len(self.held)
        self.held.extend(numbers)
        self.length += len(self.held) - before
        if len(self.held) >= HELD:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        self.held.tofile(self.file)
        del self.held[:]

    def close(self) -> None:
        """Writes what waits, down to the disk."""
        self.flush()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


class Vocabulary(dict[str, int]):
    """Numbers of tokens, in the order of their first appearance: ``vocabulary[token]`` counts a new one."""

    def __missing__(self, token: str) -> int:
        number = self[token] = len(self)
        return number


class PromptIndex:
    """The place of each prompt by its digest: a hash table with open addressing, a fifth of a dict's memory."""

    def __init__(self) -> None:
        self.digests, self.slots = bytearray(), array("i", [-1]) * 1024

    def __len__(self) -> int:
        return len(self.digests) // DIGEST

    def place(self, digest: bytes) -> int:
        """The number of a prompt: of those before it, the one with this digest, or a new one."""
        slot = self._slot(digest)
        if self.slots[slot] < 0:
            self.slots[slot] = len(self)
            self.digests += digest
            if 2 * len(self) > len(self.slots):
                self._grow()
            return len(self) - 1
        return self.slots[slot]

    def shares(self) -> Iterable[float]:
        """The first six bytes of each digest, as a number from 0 to 1, in order."""
        digests = self.digests
        return (int.from_bytes(digests[at : at + 6], "big") / 2**48 for at in range(0, len(digests), DIGEST))

    def _slot(self, digest: bytes) -> int:
        """Where a digest stands, or would."""
        mask = len(self.slots) - 1
        slot = int.from_bytes(digest[-8:], "big") & mask
        while (place := self.slots[slot]) >= 0 and self.digests[DIGEST * place : DIGEST * (place + 1)] != digest:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self.slots = array("i", [-1]) * (2 * len(self.slots))
        for place in range(len(self)):
            self.slots[self._slot(bytes(self.digests[DIGEST * place : DIGEST * (place + 1)]))] = place


class DatasetReader:
    """Checks rows and writes them to the files of a folder. Raises DataError at the first that is wrong."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, whitespace: bool) -> None:
        self.folder, self.tokenizer, self.whitespace = folder, tokenizer, whitespace
        self.files = {name: ArrayFile(folder / name, code) for name, code in ARRAYS.items() if name not in _AT_THE_END}
        self.vocabularies = {name: Vocabulary() for name in MOST}
        self.prompts = PromptIndex()
        self.splits, self.first_numbers = array("b"), array("q")
        self.starts: list[tuple[int, str]] = []  # prompts before each file, and "FILE line" or "FILE row"
        self.has_split: bool | None = None

    def open(self, unit: str) -> None:
        """The next rows are of this file: ``FILE line``, or ``FILE row``."""
        self.starts.append((len(self.prompts), unit))

    def add(self, number: int, row: Mapping[str, object], literal: bool) -> None:
        """One example, with the number of its line or row."""
        try:
            self._add(number, row, literal and self.whitespace)
        except DataError as error:
            raise DataError(f"{self.starts[-1][1]} {number}: {error}") from None

    def finish(self) -> None:
        """Gives each prompt its split where no column did, checks that none is empty, and ends the files."""
        given, splits = set(self.splits), self.splits
        for place, share in enumerate(self.prompts.shares()):
            if not self.has_split:
                splits[place] = 1 if share < HELD_OUT else 2 if share < 2 * HELD_OUT else 0
            elif 1 not in given and splits[place] == 0 and share < HELD_OUT:
                splits[place] = 1
        if not splits:
            raise DataError("no rows")
        for name, number in (("training", 0), ("validation", 1), *(() if self.has_split else (("test", 2),))):
            if number not in splits:
                there = f"{len(splits)} prompt{'s' * (len(splits) != 1)}"
                raise DataError(f"{there} in all and none for {name}; more prompts, or a column `split`")
        for name, numbers in (("prompt_split", splits), ("prompt_hash", self.prompts.shares())):
            self.files[name] = ArrayFile(self.folder / name, ARRAYS[name])
            for number in numbers:
                self.files[name].append(number)
        self.close()
        for name, vocabulary in self.vocabularies.items():
            (self.folder / f"{name}.json").write_text(json.dumps(list(vocabulary)))

    def close(self) -> None:
        """Ends the files, whatever they hold."""
        for file in self.files.values():
            file.close()

    def abandon(self) -> None:
        """Closes the files of a reading that failed."""
        for file in self.files.values():
            with suppress(OSError):  # the disk may be full
                file.file.close()

    def _add(self, number: int, row: Mapping[str, object], literal: bool) -> None:
        prompt, target = (self._tokens(row, name, literal) for name in ("prompt", "target"))
        place = self._prompt(number, prompt, self._split(row))
        self._append("target", target)
        self.files["example_prompt"].append(place)
        self.files["example_strategy"].append(self._strategy(row.get("strategy")))
        self.files["example_weight"].append(_weight(row.get("weight")))

    def _tokens(self, row: Mapping[str, object], name: str, literal: bool) -> list[str]:
        if row.get(name) is None:
            there = ", ".join(str(key) for key, value in row.items() if value is not None)
            raise DataError(f"no {name}, found {there or 'nothing'}")
        try:
            return tokens_of(row[name], self.tokenizer, literal)
        except ValueError as error:
            raise DataError(f"{name}: {error}") from None

    def _append(self, name: str, tokens: list[str]) -> None:
        file, vocabulary = self.files[f"{name}_tokens"], self.vocabularies[name]
        file.extend(map(vocabulary.__getitem__, tokens))
        if len(vocabulary) > MOST[name]:
            hint = "does another task.tokenizer split words, as characters, bytes, or a file of the tokenizers library?"
            raise DataError(f"{name}: more than {MOST[name]} different tokens so far; {hint}")
        self.files[f"{name}_ends"].append(file.length)

    def _prompt(self, number: int, tokens: list[str], split: int) -> int:
        digest = hashlib.blake2b("\x1f".join(tokens).encode(errors="surrogatepass"), digest_size=DIGEST).digest()
        place = self.prompts.place(digest)
        if place == len(self.splits):
            self._append("prompt", tokens)
            self.first_numbers.append(number)
            self.splits.append(split)
        elif self.splits[place] != split:
            unit = self.starts[bisect_right(self.starts, place, key=lambda start: start[0]) - 1][1]
            raise DataError(f"the prompt is in another split already, on {unit} {self.first_numbers[place]}")
        return place

    def _split(self, row: Mapping[str, object]) -> int:
        value = row.get("split")
        if self.has_split is None:
            self.has_split = value is not None
        if self.has_split is not (value is not None):
            raise DataError("some rows have a split and others have none")
        number = SPLITS.get(str(value).strip().lower()) if self.has_split else 0
        if number is None:
            raise DataError(f"split {value!r}, allowed: train, validation, test")
        return number

    def _strategy(self, value: object) -> int:
        """Its number; -1 where none is given."""
        if value is None or value == "":
            return -1
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise DataError(f"strategy {value!r:.40}, allowed: a text or a number")
        number = self.vocabularies["strategy"][str(value)]
        if number >= MOST["strategy"]:
            raise DataError(f"more than {MOST['strategy']} strategies so far: is the column something else?")
        return number


_AT_THE_END = ("prompt_split", "prompt_hash")


def _weight(value: object) -> float:
    try:
        weight = 1.0 if value is None else float(str(value))
    except ValueError:
        weight = -1.0
    if not 0 < weight < 1e30:
        raise DataError(f"weight {value!r}, allowed: a number above 0")
    return weight
