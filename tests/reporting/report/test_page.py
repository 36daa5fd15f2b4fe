from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from sweeper.analysis.sweep_results import SweepResults
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.report import page as report
from sweeper.trial import Reported, State
from tests.browser import opened
from tests.records import make_end, make_life, make_trial

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&$"
TEXT = """\
name: toy
description: a <b>small</b> sweep
metric: {name: score, goal: maximize}
parameters: {beta: {values: [0.5, 1, 2]}, kind: {values: [a, b]}}
expect:
  - {name: "high <i>score</i>", metric: score, best: {at_least: 100}}
  - {name: low score, metric: score, within: [0, 100]}
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    """Six configurations of two seeds; one trial failed with a nasty reason, a nasty parameter and a nasty log."""
    sweep = SweepDir(tmp_path_factory.mktemp("results"), "toy")
    trials = [make_trial(s, beta=b, kind=k) for b in (0.5, 1, 2) for k in ("a", "b") for s in (0, 1)]
    trials.append(make_trial(0, beta=3, kind=EVIL))
    with Ledger(sweep) as book:
        book.run(TEXT, {"command": "sweeper run toy.yaml", "commit": "abc"}, trials, read_history(sweep))
        for index, trial in enumerate(trials[:-1]):
            for event in make_life(trial, 0.1, index / 10, index):
                book.record(event)
        book.record(replace(make_end(trials[-1], State.FAILED), reason=EVIL))
    log = sweep.trial(trials[-1].key) / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text(f"first\n{EVIL}\n")
    return sweep


@pytest.fixture(scope="module")
def page_text(sweep: SweepDir) -> str:
    return report.render(SweepResults(sweep))


@pytest.fixture(scope="module")
def address(sweep: SweepDir, page_text: str) -> str:
    path = sweep.folder / "report.html"
    path.write_text(page_text, encoding="utf-8")
    return path.as_uri()


def test_claims_come_first_with_their_verdicts(page_text: str) -> None:
    places = [page_text.index(f'id="{name}"') for name in ("claims", "best", "configs", "trials", "plots")]
    assert places == sorted(places)
    assert "high &lt;i&gt;score&lt;/i&gt;" in page_text
    assert "low score" in page_text


def test_the_page_asks_for_nothing_from_elsewhere(page_text: str) -> None:
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page_text)
    assert "http://" not in page_text.replace("http://www.w3.org/2000/svg", "")


def test_what_users_wrote_is_only_text(page_text: str) -> None:
    assert page_text.count("<script") == 2
    assert "<img src=x" not in page_text
    assert "a &lt;b&gt;small&lt;/b&gt; sweep" in page_text
    data = json.loads(page_text.partition('id="data">')[2].partition("</script>")[0])
    assert EVIL in {trial["reason"] for trial in data["trials"].values()}


def test_the_same_results_give_the_same_page(sweep: SweepDir, page_text: str) -> None:
    assert report.render(SweepResults(sweep)) == page_text


def test_a_sweep_without_a_readable_file_still_has_a_report(tmp_path: Path) -> None:
    sweep, trial = SweepDir(tmp_path, "toy"), make_trial()
    with Ledger(sweep) as book:
        book.run("no: [sweep", {}, [trial], read_history(sweep))
    text = report.render(SweepResults(sweep))
    assert "The claims cannot be judged" in text
    assert "1 pending" in text


@pytest.mark.browser
def test_a_table_sorts_by_click_and_by_keyboard_and_filters(address: str, tmp_path: Path) -> None:
    with opened() as (page, errors):
        page.goto(address)
        head = page.locator("#configs-table th", has_text="score")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        ascending = column(page, "#configs-table", "score")
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert column(page, "#configs-table", "score") == [*reversed(ascending[:-1]), ""]  # without a result: last
        page.get_by_label("Filter").nth(1).fill("completed beta=0.5")
        assert page.locator("#trials-table tbody tr:visible").count() == 4
        assert page.locator("#trials-count").inner_text() == "4 of 13 rows"
        for text, count in [
            ("score < 3", 3),
            ("score>=9 beta=2", 3),
            ("score >= 9, beta=2 and seed >= 0,", 3),
            ("beta != 0.5", 9),
        ]:
            page.get_by_label("Filter").nth(1).fill(text)
            assert page.locator("#trials-table tbody tr:visible").count() == count, text
        page.get_by_label("Filter").nth(1).fill("")
        page.locator("#metric").select_option(label="score")
        assert page.locator("#trials-table td.chosen").count() == 13
        assert violations(page) == []
        page.screenshot(path=tmp_path / "report.png", full_page=True)
        assert (tmp_path / "report.png").stat().st_size > 10_000
        assert errors == []


@pytest.mark.browser
def test_a_trial_opens_by_keyboard_and_by_address_and_escape_closes_it(address: str) -> None:
    with opened(width=390, height=844, dark=True) as (page, errors):
        page.goto(address)
        page.get_by_label("Filter").nth(1).fill("failed")
        page.locator("button.open:visible").focus()
        page.keyboard.press("Enter")
        dialog = page.locator("dialog")
        assert dialog.is_visible()
        assert violations(page) == []
        assert EVIL in dialog.inner_text()
        assert "sweeper train" in dialog.inner_text()
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        key = page.locator("button.open").first.get_attribute("data-trial")
        page.goto("about:blank")
        page.goto(f"{address}#trial={key}")
        assert dialog.is_visible()
        assert page.locator("dialog svg path").count() == 1
        assert errors == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_only_tables_scroll_sideways(width: int, address: str) -> None:
    with opened(width=width) as (page, errors):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("img").evaluate_all("images => images.every(image => image.naturalWidth > 0)")
        assert errors == []


@pytest.mark.browser
def test_nothing_but_the_script_of_the_page_can_run(address: str) -> None:
    with opened() as (page, errors):
        page.goto(address)
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.bad = 1'}))")
        assert page.evaluate("window.bad") is None
        assert "Content Security Policy" in errors[0]


@pytest.mark.browser
def test_a_violation_of_accessibility_is_found(address: str) -> None:
    with opened() as (page, _):
        page.goto(address)
        page.locator("img").first.evaluate("image => image.removeAttribute('alt')")
        assert violations(page) == ["image-alt"]


def violations(page: Page) -> list[str]:
    """The rules of axe-core that the page breaks: WCAG and best practice, contrast included."""
    from axe_playwright_python.sync_playwright import Axe

    return [str(rule["id"]) for rule in Axe().run(page).response["violations"]]


def column(page: Page, table: str, name: str) -> list[str]:
    headings = page.locator(f"{table} th").all_inner_texts()
    index = next(i for i, heading in enumerate(headings) if heading.startswith(name))
    return page.locator(f"{table} tbody tr td:nth-child({index + 1})").all_inner_texts()


@pytest.mark.slow
def test_a_thousand_trials_fit_on_a_page_of_five_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 configurations of five seeds, 60 metrics, 20 reports each: as the bundled trainer's."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    sweep, numbers = SweepDir(tmp_path, "toy"), random.Random(0)
    trials = [
        make_trial(s, beta=b, kind=k, rate=r) for b in range(5) for k in "abcd" for r in range(10) for s in range(5)
    ]
    with Ledger(sweep) as book:
        book.run(TEXT, {}, trials, read_history(sweep))
        for trial in trials:
            for step in range(1, 21):
                values = {f"diagnostics/metric_{i}": numbers.random() for i in range(59)} | {"score": numbers.random()}
                book.record(Reported(trial.key, 1, 1000.0, step, values))
            book.record(make_end(trial, State.COMPLETED, **values))
            sweep.trial(trial.key).mkdir(parents=True)
            (sweep.trial(trial.key) / "log.txt").write_text("a line of a log\n" * 100)
    page = report.render(SweepResults(sweep))
    assert len(page.encode()) < 5_000_000
