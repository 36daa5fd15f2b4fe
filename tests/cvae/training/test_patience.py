"""Early stopping: after so many reports without a better validation metric a training ends, as a result."""

import json

import pytest

from sweeper.cvae.config import build, check, irrelevant, shape
from sweeper.cvae.stopping import MONITORED, Patience
from sweeper.cvae.training import member_evaluation
from sweeper.cvae.training import pack as pack_module
from sweeper.cvae.training.baseline import BaselineKey, baselines
from sweeper.cvae.training.pack import train_pack
from tests.cvae.training.packs import Kept, Trial, Waiting, same

EACH = {"train.steps": 8, "train.report_every": 1}


@pytest.fixture
def losses(monkeypatch):
    """What reports find as loss/total, by seed and step, in place of the real one."""
    found: dict[int, list[float]] = {}

    def evaluate_rows(program, members, rows, running, split=None):
        evaluations = member_evaluation.evaluate_rows(program, members, rows, running, split)
        for evaluation, one in zip(evaluations, running, strict=True):
            if one.seed in found:
                evaluation.metrics["loss/total"] = found[one.seed][one.step - 1]
        return evaluations

    monkeypatch.setattr(pack_module, "evaluate_rows", evaluate_rows)
    return found


def test_members_stop_each_for_itself_after_reports_without_a_better_value_and_with_a_result(losses):
    losses |= {0: [5, 4, 4, 4.5, 3, 1, 1, 1], 1: [5, 4, 3, 2, 1, 1, 2, 3], 2: [5, 5, 5, 5, 5, 5, 5, 5]}
    waits = [Trial(EACH, seed=0, train__patience=2), Trial(EACH, seed=1, train__patience=2), Trial(EACH, seed=2)]
    train_pack(Waiting(waits))
    assert [list(trial.reports)[-1] for trial in waits] == [4, 7, 8]
    assert all(trial.error is None for trial in waits)
    assert same(waits[0].final, waits[0].reports[4])


@pytest.mark.parametrize("cut", [1, 3])
def test_an_interrupted_training_stops_at_the_same_report_with_the_same_bits(losses, cut):
    losses |= {0: [5, 4, 4, 4, 4, 4, 4, 4]}
    changes = EACH | {"train.patience": 3}
    whole, kept = Trial(changes), Kept(at=[cut], stop=True)
    train_pack(Waiting([whole]))
    first, second = Trial(changes, kept), Trial(changes, kept)
    train_pack(Waiting([first]))
    assert kept.saved[1]["patience"] == json.loads(json.dumps(list(Patience([5, 4, 4][cut - 1], max(0, cut - 2)))))
    baselines.cache_clear()  # as in another process
    train_pack(Waiting([second]))
    assert list(first.reports | second.reports) == list(whole.reports) == [1, 2, 3, 4, 5]
    assert same(second.final, whole.final)


def test_a_checkpoint_of_before_goes_on_with_all_its_patience(losses):
    losses |= {0: [5, 5, 5, 5, 5, 5, 5, 5]}
    changes, kept = EACH | {"train.patience": 2}, Kept(at=[2], stop=True)
    train_pack(Waiting([Trial(changes, kept)]))
    del kept.saved[1]["patience"]
    second = Trial(changes, kept)
    train_pack(Waiting([second]))
    assert list(second.reports) == [3, 4, 5]


def test_no_patience_is_used_up_while_a_schedule_moves_a_weight(losses):
    losses |= {0: [1, 2, 3, 4, 5, 6, 7, 8]}
    ramp = {"loss.schedules.beta.kind": "linear", "loss.schedules.beta.end": 0.5}
    trial = Trial(EACH | ramp, train__patience=2)
    train_pack(Waiting([trial]))
    assert list(trial.reports)[-1] == 6  # 4 is the first that counts, and the best


@pytest.mark.parametrize("metric", MONITORED)
def test_more_or_less_is_better_by_the_metric(metric):
    better = Patience().after(metric, 0.5).after(metric, 0.5 + MONITORED[metric] * 0.1)
    assert better.waited == 0
    assert better.after(metric, 0.5) == Patience(better.best, 1)
    assert better.after(metric, float("nan")).waited == 1


def test_patience_splits_no_pack_and_no_baseline_and_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    changed = {"train.patience": 3, "train.patience_metric": "nll"}
    assert shape(changed) == shape({})
    assert BaselineKey.of(build(changed), 0) == BaselineKey.of(build({}), 0)
    assert irrelevant({"train.patience_metric": "nll"}) == ["train.patience_metric"]
    rows = [{"prompt": str(i), "target": "a b"} for i in range(60)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = {"task.name": "file", "task.path": str(tmp_path / "data.jsonl"), "train.patience_metric": "alignment"}
    (problem,) = check(files | {"train.patience": 1})
    assert problem.key == "train.patience_metric"
    assert not check(files)
