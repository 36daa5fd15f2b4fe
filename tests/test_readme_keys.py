from __future__ import annotations

from tests.readme_keys import key_table


def test_the_table_has_a_row_for_every_key_with_its_meaning() -> None:
    rows = [line.strip("| ").split(" | ") for line in key_table().splitlines()[2:]]
    cells = {row[0].strip("`"): row for row in rows}
    assert all(len(row) == 4 for row in rows)
    assert cells["parameters.NAME.min"][1:] == [
        "a number",
        "",
        MIN,
    ]
    assert cells["retry.max"][2] == "`2`"
    assert {"name", "expect[].compare", "metric.goal", "budget.wall", "early_terminate.eta", "seeds"} <= cells.keys()
    assert "program" not in cells


MIN = "The least value. Whole numbers only, when min and max are both written so."


def test_every_section_says_what_it_is_for() -> None:
    for line in key_table().splitlines()[2:]:
        assert line.split(" | ")[3].strip("| "), line
