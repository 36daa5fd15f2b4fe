from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

import sweeper
from sweeper.errors import UsageError
from sweeper.reporting.notebook import NotebookResults
from tests.reporting.figures.sweeps import grid


@pytest.fixture
def results(tmp_path: Path) -> NotebookResults:
    return sweeper.load_results(grid(tmp_path).results.folder.folder)


def test_a_plot_is_a_figure(results: NotebookResults) -> None:
    assert isinstance(results.plot("heatmap"), Figure)
    assert isinstance(results.plot("slice", "cost", x="beta"), Figure)


def test_a_cell_shows_the_table_best_first_and_two_plots(results: NotebookResults) -> None:
    page = results._repr_html_()
    assert page.index("<table") < page.index("<img")
    assert page.count('src="data:image/png;base64,') == 2


@pytest.mark.parametrize(
    ("kind", "metric", "message"),
    [("heatmp", None, "did you mean heatmap"), ("contour", None, "heatmap shows"), ("seeds", "scor", "score")],
)
def test_what_makes_no_sense_is_an_error_with_a_hint(
    results: NotebookResults, kind: str, metric: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        results.plot(kind, metric)
