"""MLflow's UI on a sweep, in a real Chromium: what `sweeper ui` prints leads to runs that people find and compare."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sweeper.tracking.saved_views import CONFIGS, TRIALS, link
from sweeper.tracking.server import where_to_look
from sweeper.tracking.ui_app import NAME
from tests.browser import opened
from tests.tracking.servers import Server, Sweep, a_life

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
]
# MLflow asks a server without log-in who is logged in, and Chromium logs the 404 that it gets for it.
MLFLOWS_OWN = "/ajax-api/2.0/mlflow/users/current"
# That log line, and what Chromium says of a page that lays itself out too slowly for a busy machine.
HARMLESS = ("404 (Not Found)", "ResizeObserver loop completed")
SCREENSHOTS = os.environ.get("SWEEPER_SCREENSHOTS")


@pytest.fixture(scope="module")
def sweep(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep of three configurations with three seeds each, on the server."""
    sweep = Sweep(tmp_path_factory.mktemp("shown"), server.address)
    sweep.input = replace(sweep.input, goals={"alignment": True}, command="sweeper run grid.yaml")
    lives = [a_life(s, beta=b, alignment=0.2 * b + 0.01 * s, reports=8) for b in (1, 2, 3) for s in (0, 1, 2)]
    assert sweep.sync(*lives).is_whole
    return sweep


@contextmanager
def shown(sweep: Sweep, path: str, picture: Path) -> Iterator[Page]:
    """A page of the UI; nothing may go wrong on it. The picture of its end is kept."""
    with opened(width=1600) as (page, errors):
        refused: list[str] = []
        page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{sweep.uri}{path}")
        yield page
        page.screenshot(path=picture)
        if SCREENSHOTS:
            shutil.copy(picture, Path(SCREENSHOTS).resolve() / f"mlflow-{picture.name}")
        assert [url for url in refused if not url.endswith(MLFLOWS_OWN)] == []
        assert [text for text in errors if not any(words in text for words in HARMLESS)] == []


def columns(page: Page) -> list[str]:
    """The headings from left to right, as they are seen: the document may have them in another order."""
    cells = page.locator(".ag-header-cell").evaluate_all(
        "cells => cells.map(cell => [cell.getBoundingClientRect().x, cell.innerText.trim()])"
    )
    return [text for _, text in sorted(cells) if text]


def wait_until(page: Page, holds: Callable[[], bool]) -> None:
    """MLflow sorts its columns after it has drawn them."""
    until = time.monotonic() + 20
    while not holds() and time.monotonic() < until:
        page.wait_for_timeout(200)


def test_the_addresses_of_a_sweeps_views_are_printed(sweep: Sweep, server: Server) -> None:
    lines = [line for line in where_to_look(server.store, sweep.uri) if line.startswith(sweep.input.name)]
    assert lines == [
        f"{sweep.input.name}, configs: {sweep.uri}{link(sweep.experiment, CONFIGS)}",
        f"{sweep.input.name}, trials: {sweep.uri}{link(sweep.experiment, TRIALS)}",
    ]


@pytest.mark.skipif(not entry_points(group="mlflow.app", name=NAME), reason="install sweeper again: `pip install -e .`")
def test_an_experiment_opens_with_its_runs_wherever_one_comes_from(sweep: Sweep, tmp_path: Path) -> None:
    with shown(sweep, "/#/experiments", tmp_path / "landing.png") as page:
        page.get_by_role("link", name=sweep.input.name, exact=True).first.click()
        page.get_by_role("link", name=f"{sweep.input.name}: summary").wait_for()
        assert f"/experiments/{sweep.experiment}/runs" in page.url
        assert page.get_by_text("Ask questions about your experiments").count() == 0


def test_the_runs_of_a_sweep_are_found_and_a_configuration_opens_to_its_seeds(sweep: Sweep, tmp_path: Path) -> None:
    with shown(sweep, link(sweep.experiment), tmp_path / "runs.png") as page:
        page.get_by_role("link", name=f"{sweep.input.name}: summary").wait_for()
        parent = page.get_by_role("link", name="beta=3 name=adam", exact=True)
        assert page.get_by_role("link", name="seed=").count() == 0
        page.locator(".ag-row", has=parent).locator("button").first.click()
        page.get_by_role("link", name="beta=3 name=adam seed=1").wait_for()
        assert page.get_by_role("link", name="seed=").count() == 3


def test_a_view_has_the_columns_that_matter_best_first(sweep: Sweep, tmp_path: Path) -> None:
    with shown(sweep, link(sweep.experiment, CONFIGS), tmp_path / "configurations.png") as page:
        page.locator(".ag-header-cell", has_text="alignment.mean").wait_for()
        first = ["loss.beta", "alignment.mean", "alignment.std"]
        wait_until(page, lambda: columns(page)[2:5] == first)
        assert columns(page)[2:5] == first
        names = page.locator(".ag-pinned-left-cols-container .ag-row").get_by_role("link").all_inner_texts()
        assert names == ["beta=3 name=adam", "beta=2 name=adam", "beta=1 name=adam"]


def test_parallel_coordinates_show_without_setting_up(sweep: Sweep, tmp_path: Path) -> None:
    with shown(sweep, f"{link(sweep.experiment, TRIALS)}&compareRunsMode=CHART", tmp_path / "parallel.png") as page:
        page.locator(".parcoords").first.wait_for()
        axes = [text for text in page.locator(".parcoords text.label").all_text_contents() if text]
        assert axes == ["loss.beta", "loss", "accuracy", "alignment"]


def test_two_runs_are_selected_and_compared(sweep: Sweep, tmp_path: Path) -> None:
    with shown(sweep, link(sweep.experiment, TRIALS), tmp_path / "compared.png") as page:
        page.get_by_role("link", name="beta=3 name=adam seed=2").wait_for()
        boxes = page.locator(".is-checkbox-cell input.ag-checkbox-input")
        boxes.nth(0).click()
        boxes.nth(8).click()
        page.get_by_test_id("runs-compare-button").click()
        page.locator(".parcoords").first.wait_for()
        for name in ("beta=3 name=adam seed=2", "beta=1 name=adam seed=0"):
            page.get_by_role("cell", name=name).first.wait_for()
