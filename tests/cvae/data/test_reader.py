"""Examples are written while they are read: in bounded memory, and never half."""

import errno
import fcntl
import json
import os
import random
import resource
import signal
import tracemalloc

import pytest

from sweeper.cvae.data import dataset as module
from sweeper.cvae.data import reader, rows
from sweeper.cvae.data.dataset import dataset, strategies_of
from sweeper.cvae.data.problem import DataError
from sweeper.cvae.data.reader import ARRAYS, DatasetReader, PromptIndex


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path, count=300, length=5, words=50):
    chance = random.Random(0)
    rows = ({"prompt": [i // 2, "a"], "target": chance.choices(range(words), k=length)} for i in range(count))
    path.write_text("".join(json.dumps(row | {"strategy": "ab"[i % 2]}) + "\n" for i, row in enumerate(rows)))
    return str(path)


def kept(tmp_path):
    """The folders with examples, complete or not."""
    return sorted(path.name for path in (tmp_path / "cache").glob("sweeper/data/*"))


def test_the_files_are_the_same_whenever_they_are_written(tmp_path, monkeypatch):
    path = write(tmp_path / "data.jsonl")
    whole = dataset(path, "whitespace")
    before = {name: (whole / name).read_bytes() for name in ARRAYS}
    monkeypatch.setattr(reader, "HELD", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    pieces = dataset(path, "whitespace")
    assert pieces != whole
    assert {name: (pieces / name).read_bytes() for name in ARRAYS} == before
    assert len(before["target_tokens"]) == 4 * 300 * 5


def test_memory_does_not_grow_with_the_tokens(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "HELD", 256)
    peaks = []
    for name, length in (("short", 50), ("long", 500)):
        path = write(tmp_path / f"{name}.jsonl", count=100, length=length)
        tracemalloc.start()
        dataset(path, "whitespace")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 4 * 100 * 450 / 3  # a third of what the further tokens take


def test_prompts_have_the_places_that_a_dict_would_give_them():
    chance, index, places = random.Random(0), PromptIndex(), dict[bytes, int]()
    for _ in range(5000):
        digest = chance.randrange(3000).to_bytes(2, "big") * 8  # many that differ in few bits
        assert index.place(digest) == places.setdefault(digest, len(places))
    assert len(index) == len(places) > 1024
    assert list(index.shares()) == [int.from_bytes(digest[:6], "big") / 2**48 for digest in places]


def test_a_disk_that_is_full_leaves_nothing_and_is_named(tmp_path):
    path = write(tmp_path / "data.jsonl")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DataError, match=f"{os.strerror(errno.EFBIG)}, while its examples are written below .*XDG"):
            dataset(path, "whitespace")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept(tmp_path) == []
    assert dataset(path, "whitespace").is_dir()


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(DatasetReader, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dataset(write(tmp_path / "data.jsonl"), "whitespace")
    assert kept(tmp_path) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, monkeypatch):
    path = write(tmp_path / "data.jsonl")
    if (child := os.fork()) == 0:
        DatasetReader.finish = lambda self: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        dataset(path, "whitespace")
    os.waitpid(child, 0)
    (left,) = kept(tmp_path)
    assert left.startswith(".part-")
    being_written = tmp_path / "cache" / "sweeper" / "data" / ".part-other"
    being_written.mkdir()
    handle = os.open(being_written, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    monkeypatch.setattr(module, "FRESH", -1.0)
    folder = dataset(path, "whitespace")
    os.close(handle)
    assert kept(tmp_path) == sorted([".part-other", folder.name])


def test_a_folder_that_lost_a_part_is_made_anew(tmp_path):
    path = write(tmp_path / "data.jsonl")
    folder = dataset(path, "whitespace")
    before = (folder / "target_tokens").read_bytes()
    (folder / "target_tokens").write_bytes(before[:-4])
    assert dataset(path, "whitespace") == folder
    assert (folder / "target_tokens").read_bytes() == before


def test_files_that_change_while_they_are_read_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "data.jsonl")
    finish = DatasetReader.finish

    def change(self):
        write(tmp_path / "data.jsonl", count=301)
        finish(self)

    monkeypatch.setattr(DatasetReader, "finish", change)
    with pytest.raises(DataError, match="changed while it was read"):
        dataset(path, "whitespace")
    assert kept(tmp_path) == []


def test_a_file_that_is_wrong_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "data.jsonl"
    path.write_text("oops\n")
    with pytest.raises(DataError, match="line 1: not JSON"):
        dataset(str(path), "whitespace")
    monkeypatch.setattr(module, "rows_of", lambda file: pytest.fail("read again"))
    with pytest.raises(DataError, match="line 1: not JSON"):
        dataset(str(path), "whitespace")
    assert strategies_of(str(path), "whitespace") is None


def test_more_kinds_than_a_vocabulary_has_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "data.jsonl")
    monkeypatch.setitem(reader.MOST, "target", 49)
    with pytest.raises(DataError, match=r"line \d+: target: more than 49 different tokens so far; does another"):
        dataset(path, "whitespace")
    monkeypatch.setitem(reader.MOST, "target", 50)
    monkeypatch.setitem(reader.MOST, "strategy", 1)
    path = write(tmp_path / "other.jsonl", count=310)
    with pytest.raises(DataError, match="line 2: more than 1 strategies so far"):
        dataset(path, "whitespace")


def test_a_file_without_line_breaks_is_not_read_into_memory(tmp_path, monkeypatch):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps([{"prompt": "1", "target": "2"}] * 100))
    monkeypatch.setattr(rows, "LONGEST_LINE", 1 << 10)
    with pytest.raises(DataError, match="line 1: more than 0 MB without a line break"):
        dataset(str(path), "whitespace")
