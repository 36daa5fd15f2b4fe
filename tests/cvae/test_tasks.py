"""The three tasks, against rules written a second time, a trace at a time, in plain Python."""

import math
import random

import pytest
import torch

from sweeper.cvae.config import build
from sweeper.cvae.tasks import make_task
from sweeper.cvae.tasks.variation import skewed, style_distribution

KINDS = {
    "operators": {},
    "two operators": {"task.operators": 2},
    "four operators": {"task.operators": 4},
    "marker": {"task.name": "detour"},
    "implicit": {"task.name": "detour", "task.reveal": "implicit", "task.modulus": 11},
    "position": {"task.name": "ordered_sum"},
    "value": {"task.name": "ordered_sum", "task.emit": "value", "task.mixture": "mixed", "task.length": 4},
    "all orders": {"task.name": "ordered_sum", "task.mixture": "all", "task.nuisance_tokens": 2},
    "style between": {"task.nuisance_tokens": 2, "task.nuisance_place": "between"},
    "style after": {"task.name": "detour", "task.nuisance_tokens": 1, "task.nuisance_place": "after"},
    "style repeated": {"task.nuisance_tokens": 3, "task.nuisance_place": "repeated"},
}


def task_of(params):
    return make_task(build(params).task)


@pytest.fixture(params=KINDS, ids=str)
def task(request):
    return task_of(KINDS[request.param])


def obeys_the_rules(task, prompt, words):
    """Whether a trace, as words, is a right solution: the task's definition, read from its text."""
    styles = [word for word, place in zip(words, task.layout, strict=True) if place < 0] if task.style_tokens else []
    if any(word[0] != "~" for word in styles) or len(set(styles)) > len({place for place in task.layout if place < 0}):
        return False
    words = [word for word, place in zip(words, task.layout, strict=True) if place >= 0] if styles else words
    if words[-1] != "." or "." in words[:-1]:
        return False
    if task.name == "operator_order":
        return _operators_obey(task, prompt, words[:-1])
    if task.name == "detour":
        return _detour_obeys(task, prompt, words[:-1])
    return _sum_obeys(prompt, words[:-1], by_position="#1" in task.trace_vocabulary)


def _operators_obey(task, prompt, words):
    a, b, c = prompt
    modulus = len(task.prompt_vocabulary)
    amounts = {"+b": b, "+c": c, "+3": 3, "+5": 5}
    wanted = sorted(word for word in task.trace_vocabulary if word in amounts)
    value = a
    for name, result in zip(words[::2], words[1::2], strict=True):
        if name not in amounts or not result.isdigit():
            return False
        value = (value + amounts[name]) % modulus
        if int(result) != value:
            return False
    return sorted(words[::2]) == wanted


def _detour_obeys(task, prompt, words):
    a, b = prompt
    modulus, count = len(task.prompt_vocabulary), len(task.strategies)
    marker = words[0] if words[0].startswith("via") else None
    numbers = words[1:] if marker else words
    if len(numbers) != 3 or not all(word.isdigit() for word in numbers):
        return False
    first, second, answer = map(int, numbers)
    length = (first - a) % modulus
    marked = marker == f"via{length}:" if any(w.startswith("via") for w in task.trace_vocabulary) else marker is None
    return 1 <= length <= count and marked and second == (first + b) % modulus and answer == (a + b) % modulus


def _sum_obeys(prompt, words, by_position):
    total, visited = 0, []
    for name, result in zip(words[::2], words[1::2], strict=True):
        if by_position and name.startswith("#"):
            position = int(name[1:]) - 1
        elif not by_position and name.isdigit() and int(name) in prompt:
            position = prompt.index(int(name))
        else:
            return False
        total = (total + prompt[position]) % 10
        visited.append(position)
        if not result.isdigit() or int(result) != total:
            return False
    return sorted(visited) == list(range(len(prompt)))


def test_every_strategy_writes_a_trace_that_is_valid_and_named(task):
    rows_N = task.split(64).reported_N
    batch, strategy_B, _ = task.examples(rows_N)
    rows_B = rows_N.repeat_interleave(len(task.strategies))
    verdict = task.check(rows_B, batch.target_BT)
    assert verdict.steps_B.all()
    assert verdict.answer_B.all()
    assert (task.name_strategy(rows_B, batch.target_BT) == strategy_B).all()
    for prompt_P, trace_T in zip(batch.prompt_BP[:100].tolist(), batch.target_BT[:100], strict=True):
        assert obeys_the_rules(task, prompt_P, task.text(trace_T).split())


def test_a_mutated_trace_is_judged_as_the_rules_judge_it(task):
    chance = random.Random(0)
    rows_N = task.split(64).reported_N
    batch = task.examples(rows_N).batch
    rows_B = rows_N.repeat_interleave(len(task.strategies))
    mutated_BT = batch.target_BT.clone()
    for trace_T in mutated_BT:
        for _ in range(chance.choice([1, 1, 2])):
            positions = [i for i, place in enumerate(task.layout) if place >= 0] or range(len(trace_T))
            trace_T[chance.choice(positions)] = chance.randrange(
                len(task.trace_vocabulary) - (8 if task.style_tokens else 0)
            )
    verdict = task.check(rows_B, mutated_BT)
    judged = (verdict.steps_B & verdict.answer_B).tolist()
    wanted = [
        obeys_the_rules(task, prompt_P, task.text(trace_T).split())
        for prompt_P, trace_T in zip(batch.prompt_BP.tolist(), mutated_BT, strict=True)
    ]
    assert judged == wanted
    assert not all(judged)
    named_B = task.name_strategy(rows_B, mutated_BT)
    assert not (named_B >= 0)[~torch.tensor(judged)].any(), "what is named is valid"


def test_a_wrong_answer_alone_is_a_wrong_answer_and_valid_steps():
    task = task_of({})
    rows_N = torch.tensor([5])
    batch = task.examples(rows_N).batch
    batch.target_BT[:, 5] = (batch.target_BT[:, 5] + 1) % 8
    verdict = task.check(rows_N.repeat(6), batch.target_BT)
    assert verdict.steps_B.all()
    assert not verdict.answer_B.any()


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("before", "~ ~ +b 3 +c 6 +3 1 ."),
        ("between", "+b ~ ~ 3 +c 6 +3 1 ."),
        ("after", "+b 3 +c 6 +3 1 ~ ~ ."),
        ("repeated", "~ +b 3 +c 6 +3 1 ~ ."),
    ],
)
def test_style_stands_where_it_is_asked_for(place, wanted):
    task = task_of({"task.nuisance_tokens": 2, "task.nuisance_entropy": math.log(8), "task.nuisance_place": place})
    found = task.examples(torch.tensor([1 * 64 + 2 * 8 + 3])).batch.target_BT
    words = [task.text(trace_T).split() for trace_T in found]
    assert " ".join("~" if word[0] == "~" else word for word in words[0]) == wanted
    styles = [[word for word in trace if word[0] == "~"] for trace in words]
    assert any(one != other for one, other in styles) == (place != "repeated")
    counts_T = task.next_tokens(torch.tensor([0]))[0].tolist()
    assert [counts_T[i] for i, word in enumerate(wanted.split()) if word == "~"] == [8, 1 if place == "repeated" else 8]


def test_a_style_that_is_not_repeated_is_not_valid():
    task = task_of(KINDS["style repeated"])
    rows_N = torch.tensor([3])
    batch = task.examples(rows_N).batch
    first_style = len(task.trace_vocabulary) - 8
    batch.target_BT[:, -2] = first_style + (batch.target_BT[:, -2] - first_style + 1) % 8
    assert not task.check(rows_N.repeat(6), batch.target_BT).steps_B.any()


def test_a_trace_without_its_style_token_is_not_valid():
    task = task_of(KINDS["all orders"])
    rows_N = torch.tensor([3])
    batch = task.examples(rows_N).batch
    batch.target_BT[:, 0] = 4
    assert not task.check(rows_N.repeat(8), batch.target_BT).steps_B.any()


def test_the_splits_are_disjoint_and_do_not_depend_on_anything(task):
    train_R, test_N, _ = task.split(256)
    assert set(train_R.tolist()).isdisjoint(test_N.tolist())
    assert len(train_R) + len(test_N) == len(task.prompts_NP)
    assert (task.split(256).reported_N == test_N).all()
    assert len(task.prompts_NP.unique(dim=0)) == len(task.prompts_NP)


def test_no_two_strategies_coincide_on_a_prompt(task):
    same_NSS = (task.traces_NST[:, :, None] == task.traces_NST[:, None]).all(-1)
    assert (same_NSS.sum((1, 2)) == len(task.strategies)).all()


def test_sampled_strategies_have_the_asked_frequencies():
    task = task_of({"task.skew": 1.0})
    generator = torch.Generator().manual_seed(0)
    rows_R = torch.arange(512)
    batch = task.sample(rows_R, 20_000, generator)
    found_BS = (task.traces_NST[:, :, 0].unique(), batch.target_BT)
    assert len(found_BS[0]) == 3
    index_B = batch.prompt_BP @ torch.tensor([64, 8, 1])
    frequency_S = torch.bincount(task.name_strategy(index_B, batch.target_BT), minlength=6) / 20_000
    wanted_S = torch.softmax(-torch.arange(6.0), 0)
    assert torch.allclose(frequency_S, wanted_S, atol=0.015)


def test_skew_by_prompt_turns_the_favourite_but_keeps_the_marginal_uniform():
    p_NS = skewed(12, 6, 2.0, by_prompt=True)
    assert torch.allclose(p_NS.mean(0), torch.full((6,), 1 / 6))
    assert p_NS.argmax(1).unique().numel() == 6


@pytest.mark.parametrize("entropy", [0.0, 0.5, 1.0, 2.0, math.log(8)])
def test_style_tokens_have_the_asked_entropy(entropy):
    p_Y = style_distribution(entropy).double()
    assert float(-torch.xlogy(p_Y, p_Y).sum()) == pytest.approx(entropy, abs=1e-5)


def test_sampling_is_reproducible_and_ignores_the_global_generator():
    task = task_of(KINDS["all orders"])
    torch.manual_seed(1)
    first = task.sample(torch.arange(100), 32, torch.Generator().manual_seed(7))
    torch.manual_seed(2)
    second = task.sample(torch.arange(100), 32, torch.Generator().manual_seed(7))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_last_value_is_the_same_for_every_order():
    task = task_of({})
    assert (task.traces_NST[:, :, 5] == task.traces_NST[:, :1, 5]).all()
