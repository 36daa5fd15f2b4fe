from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sweeper.errors import ContractError
from sweeper.execution.worker import checkpoints, single
from sweeper.execution.worker.checkpoints import Saved
from sweeper.execution.worker.job import Job
from sweeper.trial import Ended, Reported, Started, State
from tests.execution.drivers import Notebook


def saved(step: int, score: float = 0.0) -> Saved:
    return Saved(step, {"score": score}, 1.5, {"w": np.arange(3.0) + step}, {"note": "x"})


def counting(folder: Path, **rules: Any) -> Job:
    params: Any = {"steps": 10, "seed": 0}
    return Job("key", 1, "naughty:counts", params, ("score",), folder, **{"every_s": 0.0, "maximize": True, **rules})


def stopped_after(folder: Path, events: int, **rules: Any) -> list[Any]:
    """The events of an attempt that was ordered to stop at its next checkpoint once it had sent so many."""
    driver = Notebook(stops=lambda count: count >= events)
    single.run(counting(folder, **rules), driver)
    return driver.events


def resumed(folder: Path, **rules: Any) -> list[Any]:
    driver = Notebook()
    single.run(replace(counting(folder, **rules), attempt=2), driver)
    return driver.events


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, "key", saved(400))
    found = checkpoints.latest(tmp_path, "key")
    assert found is not None
    assert (found.step, found.metrics, found.wall_s, found.data) == (400, {"score": 0.0}, 1.5, {"note": "x"})
    np.testing.assert_array_equal(found.tensors["w"], [400.0, 401.0, 402.0])


def test_tensors_of_torch_come_back_as_such(tmp_path: Path) -> None:
    import torch

    vector = torch.arange(6.0)
    checkpoints.write(tmp_path, "key", Saved(1, {}, 0.0, {"a": vector[:3], "b": vector.view(2, 3).T}, {}))
    found = checkpoints.latest(tmp_path, "key")
    assert found is not None
    torch.testing.assert_close(found.tensors, {"a": vector[:3], "b": vector.view(2, 3).T})


@pytest.mark.parametrize("end", [".json", ".safetensors"])
def test_a_checkpoint_that_is_no_file_is_not_waited_for(tmp_path: Path, end: str) -> None:
    for step in (1, 2):
        checkpoints.write(tmp_path, "key", saved(step))
    path = tmp_path / checkpoints.FOLDER / f"step-0000000002{end}"
    path.unlink()
    os.mkfifo(path)
    found = checkpoints.latest(tmp_path, "key")
    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("name", ["step-0000000002.json", "step-0000000002.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": 1}', b"\x00" * 100])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, name: str, content: bytes) -> None:
    checkpoints.write(tmp_path, "key", saved(1))
    checkpoints.write(tmp_path, "key", saved(2))
    (tmp_path / "checkpoints" / name).write_bytes(content)
    found = checkpoints.latest(tmp_path, "key")
    assert found is not None
    assert found.step == 1


def test_tensors_whose_json_is_missing_are_no_checkpoint(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, "key", saved(1))
    (tmp_path / "checkpoints" / "step-0000000001.json").unlink()
    assert checkpoints.latest(tmp_path, "key") is None


def test_numbers_of_numpy_and_torch_are_data_like_others(tmp_path: Path) -> None:
    data = {"best": np.float32(0.5), "count": torch.tensor(3), "seen": [np.int64(2)], "nested": {"a": torch.ones(1)}}
    mixed = {"w": torch.nn.Parameter(torch.ones(2)), "history": np.arange(3.0)}
    checkpoints.write(tmp_path, "key", replace(saved(1), tensors=mixed, data=data))
    found = checkpoints.latest(tmp_path, "key")
    assert found is not None
    assert found.data == {"best": 0.5, "count": 3, "seen": [2], "nested": {"a": 1.0}}
    assert found.tensors["history"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("tensors", "data", "message"),
    [
        ({"w": torch.ones(2)}, {"model": torch.ones(3)}, "got 'model', Tensor, among its data: JSON is wanted"),
        ({"w": np.ones(2)}, {"path": Path("a")}, "got 'path', PosixPath, among its data"),
        ({"model": {"w": torch.ones(2)}}, {}, r"got 'model' \(dict\): its tensors are a mapping of names"),
        ({"w": torch.ones(2), "optimizer": {"state": {}}}, {}, r"got 'optimizer' \(dict\)"),
    ],
)
def test_what_no_checkpoint_holds_is_named(tmp_path: Path, tensors: Any, data: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        checkpoints.write(tmp_path, "key", replace(saved(1), tensors=tensors, data=data))
    assert not list(tmp_path.rglob("step-*"))


def test_a_checkpoint_of_another_trial_is_not_used(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, "other", saved(1))
    assert checkpoints.latest(tmp_path, "key") is None


def test_a_pickle_in_the_results_folder_is_never_read(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, "key", saved(1))
    sidecar = tmp_path / "checkpoints" / "step-0000000001.json"
    head = json.loads(sidecar.read_text()) | {"tensors": "pickle"}
    sidecar.write_text(json.dumps(head))
    assert checkpoints.latest(tmp_path, "key") is None


def test_a_stopped_trial_has_no_end_and_goes_on_where_it_was(tmp_path: Path) -> None:
    before = stopped_after(tmp_path, 3)
    assert [type(event) for event in before] == [Started, Reported, Reported]
    start, *reports, end = resumed(tmp_path)
    assert (start.step, [report.step for report in reports]) == (4, [6, 8, 10])
    assert (end.state, end.metrics) == (State.COMPLETED, {"score": 55.0})
    assert end.wall_s > 0


def test_an_attempt_that_is_to_be_fresh_forgets_the_checkpoints(tmp_path: Path) -> None:
    stopped_after(tmp_path, 3)
    assert resumed(tmp_path, fresh=True)[0].step == 0


@pytest.mark.parametrize(("keep", "left"), [("none", []), ("last", [10]), ("best", [10]), ("all", list(range(1, 11)))])
def test_the_rule_says_what_remains_of_a_trial_with_a_result(tmp_path: Path, keep: str, left: list[int]) -> None:
    stopped_after(tmp_path, 1, keep=keep)
    resumed(tmp_path, keep=keep)
    assert checkpoints.steps(tmp_path) == left
    assert (tmp_path / "checkpoints").exists() == bool(left)


def test_the_best_checkpoint_outlives_worse_ones(tmp_path: Path) -> None:
    resumed(tmp_path, keep="best", maximize=False, every_s=1e9)
    assert checkpoints.steps(tmp_path) == [2]


def test_a_failed_trial_keeps_its_checkpoint_for_the_next_attempt(tmp_path: Path) -> None:
    stopped_after(tmp_path, 3)
    driver = Notebook()
    single.run(replace(counting(tmp_path), target="naughty:raises"), driver)
    assert isinstance(driver.events[-1], Ended)
    assert checkpoints.steps(tmp_path) == [4]


def test_a_full_disk_costs_the_checkpoint_and_not_the_trial(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    assert resumed(tmp_path)[-1].state is State.COMPLETED
