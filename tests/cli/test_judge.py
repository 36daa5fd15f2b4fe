from __future__ import annotations

from pathlib import Path

from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.claims.verify import exit_code
from sweeper.errors import Exit
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.attachments import SweepAttachments
from tests.conftest import QUADRATIC, Sweeper
from tests.execution.runs import train

FALSE = "expect: [{name: never, metric: loss, best: {at_most: -1}}]\n"
TRUE = "expect: [{name: always, metric: loss, best: {at_most: 1}, over: trials}]\n"


def test_a_run_ends_with_its_verdicts_and_a_failed_claim_is_exit_code_3(folder: Path, sweeper: Sweeper) -> None:
    file = folder / "toy.yaml"
    file.write_text(QUADRATIC + FALSE)
    said = sweeper("run", file, "--runner", "inprocess")
    assert said.code == 3, said.err
    assert "fail       never" in said.err
    assert "not one of 4 trials reached it" in said.err
    assert sweeper("verify", "toy").code == 3
    file.write_text(QUADRATIC + TRUE)
    again = sweeper("run", file, "--runner", "inprocess", "--json")
    assert (again.code, again.json()["trained"]) == (0, 0)
    assert [verdict["outcome"] for verdict in again.json()["verdicts"]] == ["pass"]
    assert "1 claim: 1 pass" in sweeper("verify", "toy").out


def test_verify_says_so_as_json_and_where_there_is_nothing_to_verify(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    assert "has no claims" in sweeper("verify", "toy").err
    toy.write_text(QUADRATIC + FALSE)
    train(toy)
    said = sweeper("verify", "toy", "--json")
    document = said.json()
    assert (said.code, document["schema_version"], document["sweep"]) == (3, 1, "toy")
    assert {"name", "outcome", "effect", "ci_low", "ci_high", "n", "needed"} <= document["verdicts"][0].keys()
    assert sweeper("verify", "tyo").code == 2


def test_what_ended_a_run_early_is_reported_before_a_failed_claim() -> None:
    failed = Verdict("n", "best", "fail", "m", "", None, None, None, 1, None)
    assert [exit_code(ended, [failed]) for ended in (Exit.OK, Exit.TRIALS_FAILED, Exit.BUDGET)] == [3, 4, 5]
    assert exit_code(Exit.OK, []) is Exit.OK


def test_a_claim_written_after_the_results_is_exploratory_in_every_form(toy: Path, sweeper: Sweeper) -> None:
    swept = ["x=1,2,3,4,5,6", "seeds=8"]
    train(toy, *swept)
    toy.write_text(QUADRATIC + TRUE)
    said = sweeper("run", toy, *swept, "--runner", "inprocess")
    words = "exploratory: written after 48 of 48 results"
    assert (said.code, words in said.err) == (0, True)
    assert words in sweeper("verify", "toy").out
    [verdict] = sweeper("verify", "toy", "--json").json()["verdicts"]
    assert (verdict["status"], verdict["results_seen"]) == ("exploratory", 48)
    assert words in sweeper("export", "toy", "--level", "claims", "--format", "latex").out
    sweeper("report", "toy")
    assert words in Path("results/toy/report.html").read_text()
    assert words in str(SweepAttachments(SweepDir(Path("results"), "toy")).files()["verdicts.json"])  # what MLflow has


def test_unregistered_claims_are_exit_code_3_where_asked_for(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    toy.write_text(QUADRATIC + TRUE)
    train(toy)
    assert (sweeper("verify", "toy").code, sweeper("verify", "toy", "--strict").code) == (0, 3)
    toy.write_text(QUADRATIC + TRUE.replace("name: always", "name: always, registered: required"))
    assert sweeper("run", toy, "--runner", "inprocess").code == 3
    assert sweeper("verify", "toy").code == 3


def test_an_audit_prints_the_head_and_says_where_the_chain_breaks(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    said = sweeper("verify", "toy", "--audit", "--json")
    head = said.json()["audit"]["head"]
    assert said.code == 0
    assert head in sweeper("verify", "toy", "--audit").out
    assert sweeper("verify", "toy", "--head", head).code == 0
    ledger = Path("results/toy/ledger.jsonl")
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[1:]))
    said = sweeper("verify", "toy", "--audit")
    assert (said.code, "line 1 of" in said.out) == (3, True)
    assert sweeper("verify", "toy", "--head", "0" * 64).code == 3
