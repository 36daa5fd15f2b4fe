from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.report import live
from sweeper.reporting.report.page import PageFigure
from sweeper.reporting.report.serve import HOST, ReportServer, serve_report
from sweeper.trial import Reported, Started, State
from tests.browser import opened
from tests.records import make_end, make_trial

TEXT = """\
name: toy
metric: {name: score, goal: maximize}
parameters: {beta: {values: [0.5, 1, 2]}}
expect: [{name: high score, metric: score, best: {at_least: 0.5}, over: trials}]
"""
TRIALS = [make_trial(seed, beta=beta) for beta in (0.5, 1, 2) for seed in range(10)]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    """A sweep of 30 trials that runs: 2 have completed, and 1 trains."""
    sweep = SweepDir(tmp_path, "toy")
    with Ledger(sweep) as book:
        book.run(TEXT, {}, TRIALS, read_history(sweep))
        for trial in TRIALS[:2]:
            book.record(make_end(trial, State.COMPLETED, score=0.1))
        book.record(Started(TRIALS[2].key, 1, time.time(), "cpu", "here"))
        for step in (1, 2):
            book.record(Reported(TRIALS[2].key, 1, time.time(), step, {"score": step / 10}))
        yield book


@pytest.fixture
def server(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReportServer]:
    monkeypatch.setattr(live, "LEAST_S", 0.0)
    monkeypatch.setattr(live, "REST", 0.0)
    monkeypatch.setattr(live, "figures_of", lambda _: ([PageFigure("curves", "curves of it", PIXEL)], []))
    with ReportServer(book.sweep, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: ReportServer, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_only_this_machine_under_its_own_names_may_read_and_nobody_write(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    status, text = ask(server)
    assert (status, "2 completed" in text, "1 running" in text) == (200, True, True)
    assert ask(server, Host=f"localhost:{server.server_port}")[0] == 200
    for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1:1", ""):
        assert ask(server, Host=host) == (421, "not a name of this server")
    assert ask(server, "/../toy/ledger.jsonl")[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, method=method)[0] == 501
    assert ask(server, method="HEAD") == (200, "")


def test_the_end_waits_for_plots_that_are_being_drawn(server: ReportServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's end under a thread in matplotlib aborts the process."""
    begun = threading.Event()
    monkeypatch.setattr(live, "figures_of", lambda _: ([], [str(begun.wait(0.3))]))
    ask(server)
    server.report.close()
    assert server.report._drawing is not None
    assert not server.report._drawing.is_alive()


def test_a_page_is_sent_again_only_when_the_sweep_has_changed(server: ReportServer, book: Ledger) -> None:
    ask(server)
    seen = version(ask(server)[1])
    while version(ask(server)[1]) != seen:  # the plots are drawn in the meantime
        seen = version(ask(server)[1])
    assert ask(server, f"/page?seen={seen}") == (204, "")
    book.record(make_end(TRIALS[2], State.COMPLETED, score=0.2))
    status, text = ask(server, f"/page?seen={seen}")
    assert (status, "3 completed" in text) == (200, True)
    (book.sweep.folder / "ledger.jsonl").unlink()
    status, text = ask(server, f"/page?seen={seen}")
    assert (status, "no such sweep" in text) == (503, True)


def version(text: str) -> str:
    return text.partition('data-version="')[2].partition('"')[0]


@pytest.mark.browser
def test_the_page_follows_the_sweep_and_the_reader_keeps_the_place(server: ReportServer, book: Ledger) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened() as (page, errors):
        page.goto(server.address)
        page.evaluate("Object.assign(WAIT_MS, {running: 50, over: 50})")
        page.get_by_label("Filter").nth(1).fill("seed > 4")
        page.locator("#trials-table th", has_text="seed").locator("button").click()
        page.locator("#reproduce summary").click()
        page.locator("#reproduce p").first.evaluate("part => getSelection().selectAllChildren(part)")
        page.locator("#trials h2").evaluate("part => part.scrollIntoView()")
        before = page.locator("#trials h2").bounding_box()
        order = page.locator("#trials-table tbody tr").evaluate_all("rows => rows.map(row => row.dataset.key)")
        for index, trial in enumerate(TRIALS[2:]):
            state = State.FAILED if index == 5 else State.COMPLETED
            book.record(replace(make_end(trial, state, score=0.6, loss=1.0), reason="too large" if index == 5 else ""))
        page.get_by_text("29 completed", exact=True).wait_for(timeout=30_000)
        assert page.locator("#progress p").first.inner_text().strip().startswith("30 of 30 trials ended")
        assert "pass" in page.locator("#claims .badge").inner_text()
        assert "too large" in page.locator("#progress ul").inner_text()
        assert page.locator("#trials-count").inner_text() == "15 of 30 rows"
        assert page.locator("#trials-table tbody tr:visible").count() == 15
        assert page.locator("#trials-table th[aria-sort=ascending]").inner_text().startswith("seed")
        after = page.locator("#trials-table tbody tr").evaluate_all("rows => rows.map(row => row.dataset.key)")
        assert after == order
        assert page.locator("#reproduce details").evaluate("part => part.open")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert page.evaluate("String(getSelection())").startswith("Save the sweep file below")
        assert before is not None
        place = page.locator("#trials h2").bounding_box()
        assert place is not None
        assert abs(place["y"] - before["y"]) < 2
        page.locator("#metric").select_option(label="loss")
        assert page.locator("#trials-table td.chosen").count() == 30
        page.locator("#plots img").wait_for()
        page.locator("button.open:visible").last.click()
        assert page.locator("dialog").is_visible()
        page.keyboard.press("Escape")
        assert [rule["id"] for rule in Axe().run(page).response["violations"]] == []
        assert errors == []


def test_a_port_in_use_is_refused_with_what_to_do(server: ReportServer, book: Ledger) -> None:
    with pytest.raises(UsageError, match="--port: cannot listen: Address already in use"):
        serve_report(book.sweep, server.server_port, print)


def test_ctrl_c_ends_it_without_a_traceback(book: Ledger) -> None:
    command = [sys.executable, "-m", "sweeper", "report", "toy", "--results", str(book.sweep.results)]
    with subprocess.Popen(
        [*command, "--serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline().startswith("http://127.0.0.1:")
        it.send_signal(signal.SIGINT)
        out, err = it.communicate(timeout=60)
    assert (it.returncode, out, err) == (130, "", "Ctrl-C ends it\n")
