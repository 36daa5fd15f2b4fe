from __future__ import annotations

import io

from rich.console import Console

from sweeper.cli.terminal.console import UNLIMITED
from sweeper.cli.terminal.fitted import FittedColumn, fitted_table

COLUMNS = [
    FittedColumn("beta", 1),
    FittedColumn("weight", 1),
    FittedColumn("n", 0),
    FittedColumn("alignment", 0),
    FittedColumn("accuracy", 2),
]
ROW = ["0.5", "1", "3", "0.1234 ± 0.0012", "0.98 ± 0.01"]


def drawn(width: int) -> tuple[str, list[str]]:
    table, left_out = fitted_table(COLUMNS, [ROW], width)
    on = Console(file=io.StringIO(), width=width)
    on.print(table)
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue(), left_out


def test_in_a_pipe_every_heading_is_one_line() -> None:
    columns = [FittedColumn("bias_\nlearning_\nrate", 0), FittedColumn("n", 0)]
    table, left_out = fitted_table(columns, [["1", "2"]], UNLIMITED)
    assert ([str(column.header) for column in table.columns], left_out) == (["bias_learning_rate", "n"], [])
    assert str(fitted_table(columns, [["1", "2"]], 80)[0].columns[0].header).count("\n") == 2


def test_whole_columns_go_before_a_number_is_broken_the_least_important_first() -> None:
    assert drawn(80)[1] == []
    text, left_out = drawn(36)
    assert left_out == ["accuracy"]
    assert "0.1234 ± 0.0012" in text
    assert drawn(30)[1] == ["weight", "accuracy"]
    assert "…" not in drawn(30)[0]
