from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.terminal.plan import plan_json
from sweeper.errors import SpecError
from sweeper.planning import estimate, plan
from sweeper.planning.plan import Plan
from sweeper.planning.planned_trial import Action, Rerun
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from tests.conftest import QUADRATIC, Sweeper
from tests.execution.runs import train
from tests.records import make_end, make_trial


def make(file: Path, *overrides: str, rerun: Rerun = Rerun.NOTHING) -> Plan:
    sweep = load_spec(file, overrides)
    assert sweep.trainer is not None
    return plan.make(sweep, trainer.find(sweep.trainer), Path("results"), rerun)


def fates(made: Plan) -> list[Action]:
    return [item.action for item in made.items]


def test_everything_is_to_run_at_first(toy: Path) -> None:
    made = make(toy, "seeds=3")
    assert fates(made) == [Action.RUN] * 12
    assert (made.configs, made.pack, made.estimate.seconds) == (4, 1, None)


def test_a_default_written_out_is_a_default_left_out(toy: Path) -> None:
    assert [i.trial.key for i in make(toy).items] == [i.trial.key for i in make(toy, "target=0", "steps=3.0").items]


def test_only_what_is_new_runs_on_an_extended_file(toy: Path) -> None:
    train(toy)
    extended = make(toy, "x=1,2,3,4,5", "seeds=2")
    assert fates(extended) == [Action.CACHED, Action.RUN] * 4 + [Action.RUN, Action.RUN]
    assert extended.estimate.seconds is not None


def test_what_another_sweep_pruned_is_trained(toy: Path) -> None:
    train(toy, "name=strict", "early_terminate.type=threshold", "early_terminate.above=1")
    assert fates(make(toy)) == [Action.REUSED, Action.REUSED, Action.RUN, Action.RUN]


def test_metrics_that_no_trainer_reports_are_refused_wherever_they_are_named(toy: Path) -> None:
    with pytest.raises(SpecError) as caught:
        make(toy, "constraints=[loss < 3 and lass < 2]", "early_terminate={type: threshold, metric: los, above: 1}")
    assert [problem.found for problem in caught.value.problems] == ["los", "lass"]
    assert "it reports loss" in str(caught.value)


def test_another_sweep_of_the_folder_is_reused(toy: Path) -> None:
    train(toy)
    made = make(toy, "name=other", "x=3,4,5")
    assert fates(made) == [Action.REUSED, Action.REUSED, Action.RUN]
    assert made.items[0].why == "trained in toy"


def test_results_of_older_code_are_stale_and_kept(folder: Path, sweeper: Sweeper, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(folder))
    (folder / "mine.py").write_text("def train(params, report):\n    report(1, {'loss': params['x']})\n")
    file = folder / "mine.yaml"
    file.write_text(QUADRATIC.replace("quadratic:train", "mine:train"))
    train(file)
    (folder / "mine.py").write_text("def train(params, report):\n    report(1, {'loss': -params['x']})\n")
    planned = sweeper("plan", file, "--json").json()
    assert (planned["stale"], planned["to_run"]) == (4, 0)
    assert sweeper("plan", file, "--json", "--rerun", "stale").json()["to_run"] == 4


def test_with_older_code_brought_back_tables_show_its_results_again(
    folder: Path, sweeper: Sweeper, monkeypatch: Any
) -> None:
    monkeypatch.syspath_prepend(str(folder))
    file = folder / "mine.yaml"
    file.write_text(QUADRATIC.replace("quadratic:train", "mine:train"))

    def losses(sign: str, *more: str) -> list[float]:
        code = f"def train(params, report):\n    report(1, {{'loss': {sign}params['x']}})\n"
        (folder / "mine.py").write_text(code)
        monkeypatch.delitem(sys.modules, "mine", raising=False)
        assert sweeper("run", file, "--runner", "inprocess", *more).code == 0
        return [row["loss"] for row in sweeper("export", "toy", "--format", "json").json()["rows"]]

    assert losses("") == [1, 2, 3, 4]
    assert losses("-") == [1, 2, 3, 4]  # stale
    assert losses("-", "--rerun", "stale") == [-1, -2, -3, -4]
    assert losses("") == [1, 2, 3, 4]
    before = (folder / "results" / "toy" / "ledger.jsonl").read_bytes()
    assert losses("") == [1, 2, 3, 4]
    assert (folder / "results" / "toy" / "ledger.jsonl").read_bytes() == before  # nothing is left to do


def test_rerun_all_runs_all(toy: Path) -> None:
    train(toy)
    assert fates(make(toy)) == [Action.CACHED] * 4
    assert fates(make(toy, rerun=Rerun.ALL)) == [Action.RUN] * 4


def test_every_setting_that_the_trainer_refuses_is_named_once_with_its_line(toy: Path) -> None:
    toy.write_text(QUADRATIC.replace("x:", "ex:") + "base: {stebs: 3}\n")
    with pytest.raises(SpecError) as caught:
        make(toy)
    text = str(caught.value)
    assert text.count("has no such setting") == 2
    assert "toy.yaml:6: ex" in text
    assert "did you mean steps" in text


def test_a_random_search_is_cut_at_its_budget(toy: Path) -> None:
    toy.write_text("trainer: quadratic:train\nmethod: random\nseeds: 2\nparameters: {x: {min: 0.5, max: 2}}\n")
    assert len(make(toy, "budget.trials=5").items) == 5
    assert plan_json(make(toy))["trials"] is None


def test_a_longer_random_search_begins_with_the_shorter_one(toy: Path) -> None:
    toy.write_text("trainer: quadratic:train\nmethod: random\nparameters: {x: {min: 0.5, max: 2}}\n")
    short, long = make(toy, "budget.trials=4"), make(toy, "budget.trials=9")
    assert [i.trial.key for i in short.items] == [i.trial.key for i in long.items][:4]


def test_planning_makes_nothing(toy: Path, sweeper: Sweeper) -> None:
    before = sorted(Path.cwd().rglob("*"))
    assert sweeper("plan", toy).code == 0
    assert sweeper("run", toy, "--dry-run").code == 0
    assert sorted(Path.cwd().rglob("*")) == before


def test_problems_of_metrics_and_of_settings_are_listed_together(toy: Path) -> None:
    toy.write_text(QUADRATIC.replace("name: loss", "name: lost").replace("x:", "ex:"))
    with pytest.raises(SpecError) as caught:
        make(toy)
    assert [problem.key for problem in caught.value.problems] == ["metric", "ex"]


def test_a_searcher_says_that_the_list_is_not_complete(toy: Path, sweeper: Sweeper) -> None:
    toy.write_text(QUADRATIC.replace("grid", "tpe") + "budget: {trials: 7}\n")
    assert "not complete" in sweeper("plan", toy).out
    assert sweeper("plan", toy, "--json").json()["trials"] is None


def test_the_plan_in_one_line(toy: Path) -> None:
    assert plan.summary(make(toy)) == "4 trials: 4 to run"
    toy.write_text(QUADRATIC.replace("grid", "tpe") + "budget: {trials: 3}\n")
    assert plan.summary(make(toy)) == "0 trials so far"
    train(toy)
    assert plan.summary(make(toy)) == "3 trials so far: 3 cached"


def test_trials_that_shared_a_pack_are_not_paid_twice() -> None:
    ends = [make_end(make_trial(x=x)) for x in range(4)]  # two seconds each, at the same time
    assert estimate._beside_each_other(ends) == 4
    later = replace(ends[0], at=ends[0].at + 2)
    assert estimate._beside_each_other([ends[0], later]) == 1


def test_whole_numbers_for_a_setting_that_takes_others_are_a_warning(tmp_path: Path) -> None:
    (file := tmp_path / "f.yaml").write_text(
        "trainer: cvae\nmetric: {name: alignment, goal: maximize}\nparameters:\n"
        "  loss.beta: {min: 0, max: 10}\n  train.batch_size: {min: 8, max: 16}\n"
    )
    [warning] = [w for w in make(file).warnings if "whole numbers" in w.message]
    assert warning.key == "parameters.loss.beta"
    assert "write max: 10.0" in warning.hint


def test_the_cost_of_an_open_search_is_unknown_rather_than_nothing(toy: Path) -> None:
    toy.write_text(QUADRATIC.replace("method: grid", "") + "method: tpe\nbudget: {trials: 9}\n")
    document = plan_json(make(toy))
    assert document["trials"] is None
    assert document["estimate"] == {
        "seconds": None,
        "device_hours": None,
        "disk_bytes": None,
        "reason": "the search adds trials as results come in",
    }


def test_a_search_has_nothing_to_do_once_its_budget_has_ended(toy: Path) -> None:
    toy.write_text(toy.read_text().replace("method: grid\n", "method: tpe\n"))
    train(toy, "budget.trials=3")
    found = {budget: make(toy, f"budget.trials={budget}") for budget in (2, 3, 5)}
    assert {budget: made.is_finished for budget, made in found.items()} == {2: True, 3: True, 5: False}
    assert {budget: made.expected for budget, made in found.items()} == {2: 0, 3: 0, 5: 2}
    again = make(toy, "budget.trials=5", rerun=Rerun.ALL)
    assert (len(again.to_run), again.expected) == (3, 5)


def test_a_search_goes_on_from_its_earlier_points_while_its_settings_are_the_same(toy: Path) -> None:
    toy.write_text(toy.read_text().replace("method: grid\n", "method: tpe\nbudget: {trials: 3}\n"))
    train(toy)
    same, other = make(toy), make(toy, "base.target=0.5")
    assert fates(same) == [Action.CACHED] * 3
    assert (fates(other), other.expected) == ([], 3)


def test_a_list_of_problems_ends(toy: Path) -> None:
    values = ", ".join(str(-number) for number in range(1, 500))
    toy.write_text(f"trainer: cvae\nparameters: {{train.steps: {{values: [{values}]}}}}\n")
    with pytest.raises(SpecError) as caught:
        make(toy)
    assert [problem.found for problem in caught.value.problems] == [str(-n) for n in range(1, plan.MAX_PROBLEMS + 1)]
