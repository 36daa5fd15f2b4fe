"""``sort_trace``: what the algorithms write, and the checker that replays it, against Python's own sorting."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sweeper.cvae.config import build, check
from sweeper.cvae.tasks.forks import forks
from sweeper.cvae.tasks.sort_trace import sort_trace
from sweeper.cvae.tasks.sorting import ALGORITHMS, OUTCOMES, apply, trace

TASK = sort_trace(build({"task.name": "sort_trace"}).task)
LISTS = st.lists(st.integers(0, 9), min_size=2, max_size=10)


@given(LISTS, st.sampled_from(sorted(ALGORITHMS)))
def test_every_algorithm_sorts_by_true_steps(digits, algorithm):
    values = list(digits)
    assert all(apply(step, values) for step in trace(algorithm, digits))
    assert values == sorted(digits)


@given(LISTS, st.sampled_from(sorted(ALGORITHMS)), st.data())
def test_a_step_that_says_something_else_of_the_list_is_refused_and_does_nothing(digits, algorithm, data):
    steps = trace(algorithm, digits)
    at = data.draw(st.integers(0, len(steps) - 1))
    values = list(digits)
    for step in steps[:at]:
        apply(step, values)
    i, j, what = steps[at]
    other = data.draw(st.sampled_from([x for x in OUTCOMES if (x == "<") != (what == "<")]))
    before = list(values)
    assert not apply((i, j, other), values)
    assert values == before


def test_bubble_and_merge_by_hand():
    assert trace("bubble", [2, 1, 0]) == [(1, 2, "x"), (0, 1, "x"), (1, 2, "x")]
    assert trace("merge", [3, 1, 2, 0]) == [(0, 1, "m"), (2, 3, "m"), (0, 2, "m"), (1, 3, "<"), (2, 3, "m")]


def test_every_trace_is_valid_named_and_told_apart_by_its_first_six_tokens():
    rows_N = TASK.split(64).reported_N
    batch, strategy_B, prompt_B = TASK.examples(rows_N)
    rows_B = rows_N[prompt_B]
    verdict = TASK.check(rows_B, batch.target_BT)
    assert verdict.steps_B.all()
    assert verdict.answer_B.all()
    assert (TASK.name_strategy(rows_B, batch.target_BT) == strategy_B).all()
    first_NS = torch.unflatten(batch.target_BT[:, :6], 0, (64, 6))
    assert all(len(first.unique(dim=0)) == 6 for first in first_NS)
    lengths_B = batch.mask_BT.sum(1)
    assert lengths_B.min() < 25
    assert 80 < lengths_B.max() <= TASK.trace_length


def test_a_changed_token_is_judged_as_a_replay_in_plain_python_judges_it():
    chance = random.Random(0)
    rows_N = TASK.split(64).reported_N
    batch, _, prompt_B = TASK.examples(rows_N)
    trace_BT = batch.target_BT.clone()
    for trace_T, length in zip(trace_BT, batch.mask_BT.sum(1).int().tolist(), strict=True):
        trace_T[chance.randrange(length)] = chance.randrange(len(TASK.trace_vocabulary))
    verdict = TASK.check(rows_N[prompt_B], trace_BT)
    wanted = [
        replayed([token for token in prompt if token < 10], TASK.text(trace_T).split())
        for prompt, trace_T in zip(batch.prompt_BP.tolist(), trace_BT, strict=True)
    ]
    assert list(zip(verdict.steps_B.tolist(), verdict.answer_B.tolist(), strict=True)) == wanted
    assert {(True, False), (False, True), (False, False)} <= set(wanted)


def replayed(values, words):
    answer = sorted(values)
    ended = words[-1] == "."
    words = words[:-1] if ended else words
    before, equals, said = " ".join(words).partition("=")
    steps = before.split()
    right = ended and bool(equals) and said.split() == [str(digit) for digit in answer]
    if not equals or len(steps) % 3:
        return False, right
    for i, j, what in zip(steps[::3], steps[1::3], steps[2::3], strict=True):
        if not (i[0] == j[0] == "#") or what not in ["<", ">", "x", "m"]:
            return False, right
        low, high = sorted((int(i[1:]) - 1, int(j[1:]) - 1))
        if low == high or high >= len(values) or (values[low] <= values[high]) != (what == "<"):
            return False, right
        if what == "x":
            values[low], values[high] = values[high], values[low]
        if what == "m":
            values.insert(low, values.pop(high))
    return values == answer, right


def test_what_follows_the_end_is_not_looked_at():
    rows_N = TASK.split(8).reported_N
    batch, strategy_B, prompt_B = TASK.examples(rows_N)
    other_BT = torch.where(batch.mask_BT > 0, batch.target_BT, 3)
    assert all(part.all() for part in TASK.check(rows_N[prompt_B], other_BT))
    assert (TASK.name_strategy(rows_N[prompt_B], other_BT) == strategy_B).all()


def test_the_splits_are_disjoint_lists_of_all_lengths():
    train_R, reported_N, final_N = TASK.split(256)
    assert final_N is not None
    assert len({*train_R.tolist(), *reported_N.tolist(), *final_N.tolist()}) == len(TASK.prompts_NP)
    assert len(TASK.prompts_NP.unique(dim=0)) == len(TASK.prompts_NP)
    lengths = {len([token for token in prompt if token < 10]) for prompt in TASK.prompts(reported_N).tolist()}
    assert lengths == {5, 6, 7, 8}


@pytest.mark.parametrize("params", [{"task.strategies": 2, "task.skew": 1.0}, {"task.longest": 10}])
def test_its_settings_reach_it(params):
    task = sort_trace(build({"task.name": "sort_trace", **params}).task)
    batch = task.sample(task.split(8).train_R, 400, torch.Generator().manual_seed(0))
    assert batch.prompt_BP.shape[1] == params.get("task.longest", 8)
    assert len(task.strategies) == params.get("task.strategies", 6)


@pytest.mark.parametrize("strategies", [2, 6])
def test_forks_are_the_tokens_that_the_algorithms_write_differently_so_far(strategies):
    task = sort_trace(build({"task.name": "sort_trace", "task.strategies": strategies}).task)
    batch = task.sample(task.split(8).train_R, 40, torch.Generator().manual_seed(0))
    found_BT = forks(task, batch.prompt_BP, batch.target_BT)
    for found, prompt, target in zip(found_BT.tolist(), batch.prompt_BP, batch.target_BT.tolist(), strict=True):
        written = task.traces(prompt[None])[0].tolist()
        assert target in written
        goes_on = [{trace[t] for trace in written if trace[:t] == target[:t]} for t in range(len(target))]
        assert found == [float(len(tokens) > 1) for tokens in goes_on]
    assert (found_BT * (1 - batch.mask_BT)).sum() == 0
    assert found_BT.any(1).all()


def test_oracle_weights_are_for_every_task_but_data_from_files():
    assert not check({"task.name": "sort_trace", "loss.token_weighting": "oracle_fork"})
    found = {one.key: one.allowed for one in check({"task.name": "file", "loss.token_weighting": "oracle_fork"})}
    assert "files need not hold what each would write" in found["loss.token_weighting"]
