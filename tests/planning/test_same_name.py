"""Two files with one name: the second must not hide the results of the first."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import QUADRATIC, Sweeper

OTHER = QUADRATIC.replace("[1, 2, 3, 4]", "[7, 8]")


def test_another_file_of_the_same_name_is_refused_by_plan_and_run_until_it_is_wanted(
    toy: Path, sweeper: Sweeper
) -> None:
    assert sweeper("run", toy, "--runner", "inprocess").code == 0
    Path("other.yaml").write_text(OTHER)
    for command in ("plan", "run"):
        said = sweeper(command, "other.yaml")
        assert (said.code, "last run from toy.yaml (4 configurations)" in said.err) == (2, True), said.err
        assert "--extend" in said.err
    assert sweeper("plan", "other.yaml", "name=fresh").code == 0
    assert sweeper("run", "other.yaml", "--extend", "--runner", "inprocess").code == 0
    assert sweeper("plan", "other.yaml").code == 0
    assert sweeper("plan", "toy.yaml").code == 2


def test_the_same_file_may_change_in_any_way(toy: Path, sweeper: Sweeper) -> None:
    assert sweeper("run", toy, "--runner", "inprocess").code == 0
    toy.write_text(OTHER)
    assert sweeper("plan", toy).code == 0
    assert sweeper("plan", "results/toy/sweep.yaml", "x=9").code == 0


def test_a_file_that_moved_goes_on(toy: Path, sweeper: Sweeper) -> None:
    assert sweeper("run", toy, "--runner", "inprocess").code == 0
    Path("new").mkdir()
    toy.rename("new/renamed.yaml")
    assert sweeper("plan", "new/renamed.yaml", "x=1,5").code == 0
