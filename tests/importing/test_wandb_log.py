"""Two runs that wandb 0.31 wrote offline: three steps each, `late` set after them, the second with exit code 1."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.importing.source import ImportChoice
from sweeper.importing.wandb_log import BLOCK, CHUNK, FIRST, FULL, HEADER, LAST, wandb_runs
from sweeper.importing.wandb_runs import wandb_source
from sweeper.trial import State

RUNS = Path(__file__).parents[1] / "fixtures" / "wandb"
FIRST_RUN = RUNS / "offline-run-2026-fixture0" / "run-fixture0.wandb"


def test_a_folder_of_offline_runs_has_their_settings_curves_and_ends(tmp_path: Path) -> None:
    shutil.copytree(RUNS, tmp_path / "wandb")
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-2026-fixture1")
    source = wandb_source(tmp_path, ImportChoice())
    one, two = source.trials
    assert (one.id, one.state, two.state, source.unfinished) == ("fixture0", State.COMPLETED, State.FAILED, 0)
    assert one.params == {"lr": 0.1, "seed": 0, "model.width": 32, "gone": 1, "late": "yes"}
    assert one.metrics == {"train/loss": 1 / 3, "nested.a": 2.0, "best": 0.5}
    assert one.curve == [(step, {"train/loss": 1 / (1 + step), "nested.a": step}) for step in range(3)]
    assert one.started_at == 1795793731


def test_a_run_that_was_killed_is_left_out_and_one_that_was_resumed_is_one(tmp_path: Path) -> None:
    data = FIRST_RUN.read_bytes()
    (tmp_path / "a.wandb").write_bytes(data[:-50])
    assert wandb_source(tmp_path, ImportChoice()).unfinished == 1
    (tmp_path / "b.wandb").write_bytes(data)
    ((_, run),) = wandb_runs(tmp_path)
    assert (run["state"], len(run["history"])) == ("finished", 6)


def test_an_entry_may_lie_in_several_blocks(tmp_path: Path) -> None:
    long = b"\x22\x80\x80\x04" + b"x" * 65536  # field 4, output, which nothing reads
    data, kind = HEADER, FIRST
    while long:
        room = BLOCK - len(data) % BLOCK - CHUNK.size
        part, long = long[:room], long[room:]
        kind = kind if long else LAST
        data += CHUNK.pack(zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part
        kind = 3
    end = b"\x92\x01\x00"  # field 18, exit
    data += CHUNK.pack(zlib.crc32(end, zlib.crc32(bytes([FULL]))), len(end), FULL) + end
    (tmp_path / "run.wandb").write_bytes(data)
    assert [run["state"] for _, run in wandb_runs(tmp_path)] == ["finished"]


@pytest.mark.parametrize("at", [0, 8, 60, 1000])
def test_damage_is_told_with_its_file(at: int, tmp_path: Path) -> None:
    data = bytearray(FIRST_RUN.read_bytes())
    data[at] ^= 1
    (tmp_path / "run.wandb").write_bytes(data)
    with pytest.raises(UsageError, match=r"run\.wandb: a damaged file of W&B, or none"):
        wandb_runs(tmp_path / "run.wandb")


def test_a_folder_without_runs_is_told_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run of W&B in this folder"):
        wandb_runs(tmp_path)
    with pytest.raises(UsageError, match=r"none\.wandb: cannot be read"):
        wandb_runs(tmp_path / "none.wandb")
