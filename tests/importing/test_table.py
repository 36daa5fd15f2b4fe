from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.importing.source import ImportChoice, ImportSource
from sweeper.importing.table import read_table, table_source
from sweeper.importing.wandb_runs import wandb_source
from sweeper.trial import State

CHOICE = ImportChoice(params=("lr", "opt"), metrics=("loss",))


def source(text: str, choice: ImportChoice = CHOICE) -> ImportSource:
    file = Path("runs.csv")
    file.write_text(text)
    return table_source("csv", read_table(file), choice)


@pytest.fixture(autouse=True)
def _here(folder: Path) -> None:
    pass


def test_cells_are_read_by_their_columns() -> None:
    found = source("lr;opt;seed;loss;status\n1e-3;adam;3;0.5;finished\n1;;4;;crashed\n2;sgd;5;nan;running\n")
    first, second = found.trials
    assert first.params == {"lr": 1e-3, "opt": "adam", "seed": 3}
    assert first.metrics == {"loss": 0.5}
    assert (second.params, second.metrics, second.state) == ({"lr": 1, "seed": 4}, {}, State.FAILED)
    assert found.unfinished == 1
    assert found.notes == ["parameters: lr, opt", "metrics: loss"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufefflr;opt;n;loss\r\n0,5;adam;1;1.234,5\r\n;;;\r\n2;sgd;2;-0,5\r\n",
        'lr\topt\tn\tloss\n"0,5"\tadam\t1\t1234,5\n2\tsgd\t2\t-0,5\n',
    ],
)
def test_decimal_commas_of_spreadsheets_are_read_column_by_column(text: str) -> None:
    found = source(text, ImportChoice(metrics=("loss",)))
    assert [trial.params for trial in found.trials] == [
        {"lr": 0.5, "opt": "adam", "n": 1},
        {"lr": 2, "opt": "sgd", "n": 2},
    ]
    assert [trial.metrics["loss"] for trial in found.trials] == [1234.5, -0.5]
    assert found.notes[-1] == "decimal commas: lr, loss"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("first", ["", "sep=;\r\n"])
def test_tables_as_spreadsheets_save_them(first: str, coding: str) -> None:
    file = Path("runs.csv")
    file.write_bytes(f"{first}lr;opt;loss\r\n0,5;größer;1,25\r\n".encode(coding))
    [trial] = table_source("csv", read_table(file), CHOICE).trials
    assert (trial.params, trial.metrics) == ({"lr": 0.5, "opt": "größer"}, {"loss": 1.25})
    assert trial.where == f"runs.csv:{3 if first else 2}"


def test_a_parameter_that_looks_like_a_number_and_is_text_is_named() -> None:
    [trial] = (found := source('lr,opt,loss\n"1,000",90 %,0.5\n')).trials
    assert trial.params == {"lr": "1,000", "opt": "90 %"}
    assert [note.partition(":")[0] for note in found.notes[2:]] == [
        'lr is text, as in "1,000"',
        'opt is text, as in "90 %"',
    ]
    assert len(source("lr,opt,loss\n1,2,0.5\n2,v1,0.5\n").notes) == 2  # words among them: text by right


def test_words_and_numbers_in_one_column_are_texts() -> None:
    found = source("lr,opt,loss\n1,2,0\n2,big,0\n")
    assert [trial.params["opt"] for trial in found.trials] == ["2", "big"]


def test_columns_of_known_exports_are_told_by_their_prefixes() -> None:
    found = source("run_id,params.lr,metrics.loss,tags.x\nab,0.1,2\u0020,t\n", ImportChoice())
    assert (found.trials[0].id, found.trials[0].params, found.trials[0].metrics) == ("ab", {"lr": 0.1}, {"loss": 2.0})
    assert "columns not read: tags.x" in found.notes
    found = source("number,value,params_x,state,datetime_start\n0,1.5,3,PRUNED,2026-01-01 00:00:00\n", ImportChoice())
    assert (found.trials[0].metrics, found.trials[0].state) == ({"value": 1.5}, State.PRUNED)
    assert found.trials[0].started_at == 1767225600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr,opt,loss\n1,adam,\"0,5\"\n", "hint: write all numbers with a point, without thousands and %"),
        ("lr;opt;loss\n1;adam;0,5\n2;adam;0.6\n", "hint: write all numbers with a point"),
        ("lr\topt\tloss\n1\tadam\t1,000\n", "hint: write all numbers with a point"),
        ("lr,opt,loss\n1,adam,90 %\n", "hint: write all numbers with a point, without thousands and %"),
        ("lr,opt,loss\n1,adam,0.5\n1,adam,high\n", "runs.csv:3: loss: not a number\n  found: \"high\""),
        ("lr,opt,loss\n1,adam\n", "runs.csv:2: a row of another length\n  found: 2 cells\n  allowed: 3"),
        ("lr,opt,loss,state\n1,adam,1,lost\n", "runs.csv:2: state: not a state\n  found: \"lost\""),
        ("lr,opt,lr\n1,adam,1\n", "runs.csv:1: lr: two columns have one name"),
        ("lr,option,loss\n1,adam,1\n", "--params: not in the source\n  found: opt\n  allowed: lr, option"),
        ('lr,opt,loss\n1,"adam,1\n', "runs.csv:2: no CSV: unexpected end of data"),
        ("lr,opt,loss\n", "runs.csv: a table without rows"),
        ("just text\n", "runs.csv:1: not a table"),
    ],
)  # fmt: skip
def test_bad_tables_are_refused_with_line_and_column(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as refused:
        source(text)
    assert expected in str(refused.value)


def test_a_table_that_nothing_tells_apart_is_refused_with_its_columns() -> None:
    with pytest.raises(UsageError, match="nothing tells parameters from metrics") as refused:
        source("lr,loss\n1,2\n", ImportChoice())
    assert "found: lr, loss\n  hint: say which: --params A,B --metrics X,Y" in str(refused.value)


def test_wandb_runs_as_json_have_nested_settings_summaries_and_curves() -> None:
    file = Path("runs.json")
    file.write_text(
        '[{"id": "a", "state": "finished", "created_at": "2026-01-01T00:00:00Z",'
        '  "config": {"net": {"depth": 3}, "lr": {"value": 0.1}, "_wandb": {}},'
        '  "summary": {"loss": "NaN", "acc": 0.5, "_step": 7, "_runtime": 2,'
        '    "image": {"_type": "image-file", "width": 9}},'
        '  "history": [{"_step": 1, "acc": 0.1}, {"_step": 7, "acc": 0.5}]},'
        ' {"id": "b", "state": "running", "config": {}, "summary": {}}]'
    )
    found = wandb_source(file, ImportChoice())
    trial = found.trials[0]
    assert trial.params == {"net.depth": 3, "lr": 0.1}
    assert (sorted(trial.metrics), trial.metrics["acc"], trial.steps) == (["acc", "loss"], 0.5, 7)
    assert trial.curve == [(1, {"acc": 0.1}), (7, {"acc": 0.5})]
    assert (trial.started_at, trial.ended_at, found.unfinished) == (1767225600, 1767225602, 1)


def test_wandb_runs_in_a_csv_file_as_its_manual_writes_them() -> None:
    file = Path("project.csv")
    file.write_text(""",summary,config,name\n0,"{'loss': 0.5, '_step': 3}","{'lr': 1, 'opt': None}",calm-sun-1\n""")
    trial = wandb_source(file, ImportChoice()).trials[0]
    assert (trial.params, trial.metrics, trial.steps) == ({"lr": 1, "opt": None}, {"loss": 0.5}, 3)
    file.write_text(",summary,config,name\n0,\"{'loss': open('x')}\",\"{}\",n\n")
    with pytest.raises(UsageError, match=r"project\.csv:2: summary: not a mapping"):
        wandb_source(file, ImportChoice())
