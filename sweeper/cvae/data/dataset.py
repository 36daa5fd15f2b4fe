"""Examples checked once and kept as tokens, in the user's cache folder, under the digest of all they are made of.

Shapes: N prompts, E examples, in the order of the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sweeper.cvae.data.problem import DataError
from sweeper.cvae.data.rows import files_of, rows_of
from sweeper.cvae.data.tokens import Tokenizer, tokenizer_of, tokens_of

FORMAT = 1  # of the kept files
HELD_OUT = 0.1  # of the prompts, for validation, and as many for the test, where there is no split column
SPLITS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2}
ARRAYS = {  # name -> type code of the array module
    "prompt_tokens": "i", "prompt_ends": "q", "prompt_hash": "d", "prompt_split": "b",
    "target_tokens": "i", "target_ends": "q", "example_prompt": "i", "example_strategy": "i", "example_weight": "d",
}  # fmt: skip


@dataclass(slots=True)
class Vocabulary:
    """Tokens in the order of their first appearance."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, token: str) -> int:
        """The number of a token, a new one if it was not seen before."""
        return self.numbers.setdefault(token, len(self.numbers))


class DatasetReader:
    """Reads rows into arrays and checks each. Raises DataError at the first that is wrong."""

    def __init__(self, tokenizer: Tokenizer, whitespace: bool) -> None:
        self.tokenizer, self.whitespace = tokenizer, whitespace
        self.arrays: dict[str, array[Any]] = {name: array(code) for name, code in ARRAYS.items()}
        self.vocabularies = {name: Vocabulary() for name in ("prompt", "target", "strategy")}
        self.prompts: dict[bytes, int] = {}
        self.first_lines: list[str] = []
        self.has_split: bool | None = None

    def add(self, where: str, row: Mapping[str, object], literal: bool) -> None:
        """One example."""
        prompt, target = (self._tokens(where, row, name, literal and self.whitespace) for name in ("prompt", "target"))
        place = self._prompt(where, prompt, self._split(where, row))
        self._append("target", target)
        strategy = row.get("strategy")
        known = strategy is not None and strategy != ""
        self.arrays["example_prompt"].append(place)
        self.arrays["example_strategy"].append(self.vocabularies["strategy"].number(str(strategy)) if known else -1)
        self.arrays["example_weight"].append(self._weight(where, row))

    def finish(self) -> None:
        """Gives each prompt its split where no column did, and checks that none is empty."""
        splits, hashes = self.arrays["prompt_split"], self.arrays["prompt_hash"]
        given = set(splits)
        for place, share in enumerate(hashes):
            if not self.has_split:
                splits[place] = 1 if share < HELD_OUT else 2 if share < 2 * HELD_OUT else 0
            elif 1 not in given and splits[place] == 0 and share < HELD_OUT:
                splits[place] = 1
        if not splits:
            raise DataError("no rows")
        for name, number in (("training", 0), ("validation", 1), *(() if self.has_split else (("test", 2),))):
            if number not in set(splits):
                raise DataError(f"{len(splits)} prompts leave none for {name}; more prompts, or a column `split`")

    def _tokens(self, where: str, row: Mapping[str, object], name: str, literal: bool) -> list[str]:
        if row.get(name) is None:
            raise DataError(f"{where}: no {name}")
        try:
            return tokens_of(row[name], self.tokenizer, literal)
        except ValueError as error:
            raise DataError(f"{where}: {name}: {error}") from None

    def _append(self, name: str, tokens: list[str]) -> None:
        number = self.vocabularies[name].number
        self.arrays[f"{name}_tokens"].extend(map(number, tokens))
        self.arrays[f"{name}_ends"].append(len(self.arrays[f"{name}_tokens"]))

    def _prompt(self, where: str, tokens: list[str], split: int) -> int:
        digest = hashlib.blake2b("\x1f".join(tokens).encode(errors="surrogatepass"), digest_size=16).digest()
        place = self.prompts.setdefault(digest, len(self.prompts))
        if place == len(self.first_lines):
            self._append("prompt", tokens)
            self.first_lines.append(where)
            self.arrays["prompt_hash"].append(int.from_bytes(digest[:6], "big") / 2**48)
            self.arrays["prompt_split"].append(split)
        elif self.arrays["prompt_split"][place] != split:
            raise DataError(f"{where}: the prompt is in another split already, on {self.first_lines[place]}")
        return place

    def _split(self, where: str, row: Mapping[str, object]) -> int:
        value = row.get("split")
        if self.has_split is None:
            self.has_split = value is not None
        if self.has_split is not (value is not None):
            raise DataError(f"{where}: some rows have a split and others have none")
        number = SPLITS.get(str(value).strip().lower()) if self.has_split else 0
        if number is None:
            raise DataError(f"{where}: split {value!r}, allowed: train, validation, test")
        return number

    @staticmethod
    def _weight(where: str, row: Mapping[str, object]) -> float:
        value = row.get("weight")
        try:
            weight = 1.0 if value is None else float(str(value))
        except ValueError:
            weight = -1.0
        if not 0 < weight < 1e30:
            raise DataError(f"{where}: weight {value!r}, allowed: a number above 0")
        return weight


def dataset(path: str, tokenizer: str) -> Path:
    """The folder with the arrays and ``meta.json`` of the data, made at the first call. Raises DataError."""
    files = files_of(path)
    parts = [f"{FORMAT} {tokenizer}", *(f"{file.suffix} {_digest(file, *_version(file))}" for file in files)]
    if Path(tokenizer).is_file():
        parts.append(_digest(Path(tokenizer), *_version(Path(tokenizer))))
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    for home in (_cache(), Path(tempfile.gettempdir()) / f"sweeper-{os.getuid()}"):
        folder = home / "data" / key
        if (folder / "meta.json").is_file():
            return folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        except OSError:  # a cache that cannot be written to
            continue
        try:
            _write(files, tokenizer, beside)
            if not folder.exists():
                beside.rename(folder)
        except OSError:
            if not (folder / "meta.json").is_file():  # else another process was faster
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return folder
    raise DataError(f"{path}: neither {_cache()} nor {tempfile.gettempdir()} can be written to")


def strategies_of(path: str, tokenizer: str) -> list[str] | None:
    """The names of the strategies in the data; [] where none are known, None where the data cannot be read."""
    try:
        meta = json.loads((dataset(path, tokenizer) / "meta.json").read_text())
    except (DataError, OSError):
        return None
    return list(meta["strategy"])


def _write(files: list[Path], tokenizer: str, folder: Path) -> None:
    reader = DatasetReader(tokenizer_of(tokenizer), whitespace=tokenizer == "whitespace")
    for file in files:
        literal = any(suffix.lower() in (".csv", ".tsv") for suffix in file.suffixes)
        for where, row in rows_of(file):
            reader.add(where, row, literal)
    try:
        reader.finish()
    except DataError as error:
        raise DataError(f"{', '.join(map(str, files))}: {error}") from None
    for name, values in reader.arrays.items():
        with (folder / name).open("wb") as file_out:
            values.tofile(file_out)
    meta = {name: list(vocabulary.numbers) for name, vocabulary in reader.vocabularies.items()}
    (folder / "meta.json").write_text(json.dumps(meta))


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "sweeper"


def _version(file: Path) -> tuple[int, ...]:
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@lru_cache(maxsize=1024)
def _digest(file: Path, *version: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
