"""Examples from files: every format gives the same examples, and whatever is wrong is named with its line."""

import csv
import gzip
import json
import random

import pyarrow
import pytest
import torch
from pyarrow import parquet

from sweeper.cvae import config, train
from sweeper.cvae.data.dataset import dataset
from sweeper.cvae.data.problem import DataError
from sweeper.cvae.tasks.file import file_task

SMALL: dict[str, object] = {
    "task.name": "file", "model.width": 16, "model.hidden": 16, "model.latents": 2, "train.batch_size": 16,
    "train.steps": 6, "train.report_every": 3, "train.test_prompts": 8, "model.router_width": 16,
    "model.baseline_width": 16,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def examples(count=60, seed=0):
    """Prompts of 1 to 4 digits, with two right targets: forwards and backwards."""
    chance = random.Random(seed)
    rows: dict[tuple[int, ...], list[int]] = {}
    while len(rows) < count:
        digits = [chance.randrange(10) for _ in range(chance.randint(1, 4))]
        rows[tuple(digits)] = digits
    each = [(digits, way) for digits in rows.values() for way in ("forwards", "backwards")]
    return [{"prompt": d, "target": (d if w == "forwards" else d[::-1]) + [11], "strategy": w} for d, w in each]


def write(path, rows):
    columns = list(rows[0])
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif ".csv" in path.name:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


def task_of(path, **settings):
    return file_task(config.build({"task.name": "file", "task.path": path, **settings}).task)


def trained(path, **settings):
    return train(SMALL | {"task.path": path, **settings}, lambda step, metrics: None)


def test_every_format_has_the_same_metrics(tmp_path):
    rows = examples()
    found = [trained(write(tmp_path / f"data{end}", rows)) for end in (".jsonl", ".jsonl.gz", ".csv", ".parquet")]
    assert all(other == found[0] for other in found[1:])
    assert {"alignment", "test/alignment", "diagnostics/standard_error/alignment"} <= found[0].keys()


def test_training_never_reads_the_strategies(tmp_path):
    rows = examples()
    other = [row | {"strategy": "ab"[i % 3 == 0]} for i, row in enumerate(rows)]
    none = [{name: row[name] for name in ("prompt", "target")} for row in rows]
    models = []
    for i, each in enumerate((rows, other, none)):
        folder = tmp_path / str(i)
        folder.mkdir()
        params = SMALL | {"task.path": write(tmp_path / f"{i}.jsonl", each)}
        metrics = train(params, lambda step, metrics: None, directory=folder)
        models.append((folder / "model.safetensors").read_bytes())
    assert models[0] == models[1] == models[2]
    assert not {name for name in metrics if "alignment" in name or "coverage" in name or "controllability" in name}


def test_all_targets_of_a_prompt_are_right_and_named(tmp_path):
    task = task_of(write(tmp_path / "data.jsonl", examples()))
    rows_N = task.split(8).reported_N
    batch, strategy_B, prompt_B = task.examples(rows_N)
    assert task.check(rows_N[prompt_B], batch.target_BT).answer_B.all()
    palindromes = [list(p) == list(p)[::-1] for p in (bare(task, p) for p in batch.prompt_BP)]
    named_B = task.name_strategy(rows_N[prompt_B], batch.target_BT)
    assert all(same or a == b for same, a, b in zip(palindromes, named_B.tolist(), strategy_B.tolist(), strict=True))
    assert not task.check(rows_N[prompt_B], batch.target_BT.roll(1, dims=1)).answer_B.any()


def bare(task, prompt_P):
    return [token for token in prompt_P.tolist() if token != task.prompt_padding]


def test_splits_are_by_prompt_and_do_not_depend_on_the_order_of_the_rows(tmp_path):
    rows = examples(200)
    shuffled = random.Random(1).sample(rows, len(rows))
    kinds = []
    for i, each in enumerate((rows, shuffled)):
        task = task_of(write(tmp_path / f"{i}.jsonl", each))
        words = [
            {" ".join(task.prompt_vocabulary[t] for t in bare(task, p)) for p in task.prompts(rows_N)}
            for rows_N in task.split(10_000)
        ]
        kinds.append(words)
        assert sum(map(len, words)) == 200
    assert kinds[0] == kinds[1]


def test_weights_say_how_often_an_example_is_drawn(tmp_path):
    rows = [{"prompt": "a", "target": t, "weight": w, "split": "train"} for t, w in (("x", 1), ("y", 3))]
    rows += [{"prompt": "b", "target": "x", "weight": 1, "split": "validation"}]
    task = task_of(write(tmp_path / "data.jsonl", rows))
    batch = task.sample(task.split(1).train_R, 4000, torch.Generator().manual_seed(0))
    assert (batch.target_BT[:, 0] == 1).float().mean() == pytest.approx(0.75, abs=0.03)
    assert task.split(1).final_N is None


def test_a_checker_decides_what_is_right(tmp_path, monkeypatch):
    (tmp_path / "my_checker.py").write_text("def ends(prompt, output):\n    return output[-1] == '11'\n")
    monkeypatch.syspath_prepend(tmp_path)
    task = task_of(write(tmp_path / "data.jsonl", examples()), **{"task.checker": "my_checker:ends"})
    rows_N = task.split(8).reported_N
    batch, _, prompt_B = task.examples(rows_N)
    assert task.check(rows_N[prompt_B].roll(1), batch.target_BT).answer_B.all()


@pytest.mark.parametrize(("tokenizer", "words"), [("characters", ["a", " ", "b"]), ("bytes", ["97", "32", "98"])])
def test_text_becomes_tokens(tmp_path, tokenizer, words):
    rows = [{"prompt": "a b", "target": "b", "split": split} for split in ("train",)]
    rows.append({"prompt": "b", "target": "b", "split": "val"})
    task = task_of(write(tmp_path / "data.jsonl", rows), **{"task.tokenizer": tokenizer})
    assert list(task.prompt_vocabulary[:3]) == words


GOOD = b'{"prompt": "1 2", "target": "2"}\n'
BAD = {
    "not JSON": (".jsonl", GOOD + b'{"prompt": "1', "line 2: not JSON"),
    "many digits": (
        ".jsonl",
        GOOD + b'{"prompt": [' + b"9" * 5000 + b"]}\n",
        "line 2: a number too large, beyond 64 bits$",
    ),
    "deep lists": (".jsonl", GOOD + b"[" * 100_000 + b"\n", "line 2: lists in lists"),
    "a list": (".jsonl", GOOD + b"[1]\n", "line 2: list instead of an object"),
    "empty target": (".jsonl", GOOD + b'{"prompt": "1", "target": ""}\n', "line 2: target: empty"),
    "no target": (".jsonl", GOOD + b'{"prompt": "1"}\n', "line 2: no target"),
    "bad UTF-8": (".jsonl", GOOD + b'{"prompt": "\xff"}\n', "line 2: bad UTF-8"),
    "a large number": (".jsonl", GOOD + b'{"prompt": [1e300], "target": "1"}\n', "line 2: prompt: a number too large"),
    "half a number": (".jsonl", GOOD + b'{"prompt": [0.5], "target": "1"}\n', "line 2: prompt: 0.5 is neither"),
    "columns": (".csv", b"prompt,target\n1,2\n1,2,3\n", "line 3: columns: expected 2, found 3"),
    "an open quote": (".csv", b'prompt,target\n1,2\n"1,2\n3,4\n5,6\n', "line 3: a quote that does not end"),
    "after two lines": (".csv", b'prompt,target\n"1\n2",3\n4,\n', "line 4: target: empty"),
    "in two lines": (".csv", b'prompt,target\n1,2\n"1\n2",\n', "line 3: target: empty"),
    "no column": (".csv", b"prompt,answer\n1,2\n", "line 2: no target"),
    "two splits": (
        ".csv",
        b"prompt,target,split\n1,2,train\n1,3,test\n",
        "line 3: the prompt is in another split already, on",
    ),
    "a split": (".csv", b"prompt,target,split\n1,2,trian\n", "line 2: split 'trian', allowed: train"),
    "a strategy": (
        ".jsonl",
        GOOD + GOOD[:-2] + b', "strategy": ["s"]}\n',
        r"line 2: strategy \['s'\], allowed",
    ),
    "another name": (".jsonl", GOOD + b'{"prompt": "1", "answer": "1"}\n', "line 2: no target, found prompt, answer"),
    "a weight": (".csv", b"prompt,target,weight\n1,2,-1\n", "line 2: weight '-1', allowed"),
    "no rows": (".jsonl", b"", "no rows"),
    "cut off": (".jsonl.gz", gzip.compress(GOOD)[:-9], "after line"),
    "a flipped bit": (".jsonl.gz", gzip.compress(GOOD * 99)[:20] + b"\xff" + gzip.compress(GOOD)[21:], "after line"),
    "not Parquet": (".parquet", b"PAR1", "after row 0"),
    "another kind": (".xlsx", b"", "not one of .jsonl"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_with_its_line_and_nothing_is_kept(name, tmp_path):
    end, content, message = BAD[name]
    path = tmp_path / f"data{end}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        dataset(str(path), "whitespace")
    assert list((tmp_path / "cache").rglob("*.json")) == []
    assert list((tmp_path / "cache").glob("sweeper/data/*")) == []
    params = {"task.name": "file", "task.path": str(path)}
    assert [problem.key for problem in config.check(params)] == ["task.path"]
    assert "alignment" not in config.absent(params)  # whether there are strategies is not known


def test_data_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    path = write(tmp_path / "data.jsonl", examples())
    first = dataset(path, "whitespace")
    monkeypatch.setattr("sweeper.cvae.data.dataset.rows_of", lambda file: pytest.fail("read again"))
    assert dataset(path, "whitespace") == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "data.jsonl", examples(seed=1))
    assert dataset(path, "whitespace") != first


def test_a_pattern_names_several_files_and_a_missing_one_is_a_problem(tmp_path):
    rows = examples()
    whole = trained(write(tmp_path / "whole.jsonl", rows))
    write(tmp_path / "part-1.jsonl", rows[:50])
    write(tmp_path / "part-2.csv", rows[50:])
    assert trained(str(tmp_path / "part-*")) == whole
    (problem,) = config.check({"task.name": "file", "task.path": "nowhere.jsonl"})
    assert "no such file" in str(problem)


def test_a_run_with_one_wrong_line_names_it_and_makes_nothing(tmp_path, sweeper):
    file, data, results = tmp_path / "sweep.yaml", tmp_path / "data.jsonl", tmp_path / "results"
    file.write_text(
        "trainer: cvae\nbase: {task.name: file, task.path: data.jsonl}\nmetric: {name: alignment, goal: maximize}\n"
        "parameters: {loss.beta: {values: [0, 1]}}\n"
    )
    rows = [json.dumps(row).encode() + b"\n" for row in examples()]
    for wrong in (b'{"prompt": [1], "target": []}\n', b'{"prompt": "\xff"}\n', rows[41][:-9], b'{"prompt": [1e99]}\n'):
        data.write_bytes(b"".join([*rows[:41], wrong.rstrip() + b"\n", *rows[42:]]))
        said = sweeper("run", "sweep.yaml")
        assert said.code == 2
        assert "data.jsonl line 42: " in said.err
        assert said.err.count("error: ") == 1
        assert "Traceback" not in said.err
        assert not results.exists()
