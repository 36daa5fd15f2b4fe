"""The published collections: their files plan, their ledgers give their verdicts, and results/README.md quotes them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results import statements, undecided
from results.undecided import verdicts
from sweeper.analysis.claims import verify
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.tables.markup import latex
from sweeper.spec.load import load_spec
from tests.published import trials

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results" / "published"
README = (ROOT / "results" / "README.md").read_text()
NAMES = sorted(folder.name for folder in PUBLISHED.iterdir())
SHORT = {
    "reduction": "loss.reduction",
    "beta": "loss.beta",
    "w_H": "loss.posterior_entropy_weight",
    "M": "loss.router_marginal_kl_to_prior_weight",
    "S": "loss.router_support_weight",
    "J": "loss.inter_latent_divergence_weight",
    "rho": "loss.token_weighted_reconstruction_weight",
    "warm-up": "loss.schedules.beta.kind",
    "style": "task.nuisance_entropy",
    "weights": "loss.token_weighting",
    "token-warm-up": "train.baseline_warmup",
    "constant": "task.nuisance_tokens",
    "router": "model.router",
    "place": "task.nuisance_place",
    "K": "model.latents",
}


def chosen(name: str, where: str) -> pd.DataFrame:
    """The trials of the published table that a row of the README is about."""
    table = pd.read_csv(PUBLISHED / name / "trials.csv")
    for condition in where.split(", "):
        found = re.fullmatch(r"([\w-]+)(=|>=|<=|<)(.+)", condition)
        assert found is not None
        short, relation, text = found.groups()
        column, value = table[SHORT[short]], text if text[0].isalpha() else float(text)
        table = table[{"=": column.eq, ">=": column.ge, "<=": column.le, "<": column.lt}[relation](value)]
    return table


def measured(name: str, where: str) -> list[str]:
    """A row of the README: trials, means of four metrics, J's share of its ceiling, how often alignment is >= 0.9."""
    table = chosen(name, where)
    means = [table[metric].mean() for metric in ("task_accuracy", "posterior_entropy", "alignment", "alignment_hard")]
    divergence = table["diagnostics/inter_latent_jsd/weighted_mean"] / table["diagnostics/inter_latent_jsd/ceiling"]
    return [str(len(table)), *(f"{x:.3f}" for x in [*means, divergence.mean(), (table["alignment"] >= 0.9).mean()])]


def by_region(where: str) -> list[str]:
    """Of a region of occupancy_regions: trials, those that keep 0.985, least and most alignment, hard alignment."""
    table = chosen("occupancy_regions", where)
    kept, within = table.task_accuracy >= 0.985, table.alignment_hard.between(0.16, 0.27)
    spans = [f"{table[name].min():.2f} to {table[name].max():.2f}" for name in ("alignment", "alignment_hard")]
    return [str(len(table)), str(kept.sum()), *spans, str(within.sum())]


def by_latents(latents: str) -> list[str]:
    """Of scale: means of metrics at so many latents."""
    table = trials("scale")
    table = table[table["model.latents"] == int(latents)]
    first = "diagnostics/inter_latent_jsd/position/0"
    of = ("task_accuracy", "alignment", "alignment_many_to_one", "alignment_many_to_one_chance", "posterior_entropy")
    return [str(len(table)), *(f"{table[name].mean():.2f}" for name in (*of, first))]


def rows(marker: str) -> list[list[str]]:
    """The cells of a table of the README, its two head lines left out."""
    text = README.split(f"<!-- {marker} -->")[1].split("<!-- end -->")[0].strip()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()[2:]]


def test_what_latents_write_that_sort_is_as_published() -> None:
    found = pd.read_csv(PUBLISHED / "sort" / "trials.csv").set_index(["loss.inter_latent_divergence_weight", "seed"])
    for seed, of_z in itertools.groupby(rows("forced"), key=lambda row: row[0]):
        table = pd.read_csv(PUBLISHED / "sort" / "forced" / f"{found.trial[1, int(seed)]}.csv")
        assert [row[1:] for row in of_z] == [[f"{z:.0f}", *(f"{x:.2f}" for x in shares)] for z, *shares in table.values]


def test_the_means_of_the_natural_task_are_as_published() -> None:
    for name, beta, weight, *shown_there in rows("natural"):
        assert set(trials(name)["loss.beta"]) == {float(beta)}
        assert shown_there == measured(name, f"J={weight}")


@pytest.mark.parametrize("name", NAMES)
def test_the_file_published_is_the_one_in_search_spaces(name: str) -> None:
    file, run = load_spec(ROOT / "search_spaces" / f"{name}.yaml"), load_spec(PUBLISHED / name / "sweep.yaml")
    assert replace(run, resources=file.resources, checkpoints=file.checkpoints) == file


@pytest.mark.parametrize("name", NAMES)
def test_the_published_ledger_gives_the_published_verdicts(name: str) -> None:
    published = json.loads((PUBLISHED / name / "verify.json").read_text())["verdicts"]
    found = [verdict.as_json() for verdict in verify.verdicts(SweepDir(PUBLISHED, name))]
    for one, other in zip(found, published, strict=True):
        assert (one["name"], one["outcome"], one["n"]) == (other["name"], other["outcome"], other["n"])
        assert one["effect"] == pytest.approx(other["effect"], abs=1e-6)


def test_every_measured_number_of_the_readme_is_that_of_the_tables() -> None:
    quoted = rows("numbers")
    assert len(quoted) > 30
    assert [row for row in quoted if row[2:] != measured(row[0], row[1])] == []


def test_regions_and_latents_are_as_published() -> None:
    regions, latents = rows("regions"), rows("latents")
    assert len(regions) == 7
    assert [row for row in regions if row[2:7] != by_region(row[1])] == []
    assert [row for row in latents if row[1:8] != by_latents(row[0])] == []


def shown(one: Mapping[str, Any]) -> list[str]:
    """A verdict and its effect, as the README has them."""
    return [one["outcome"], f"{one['effect']:.3f} [{one['ci_low']:.3f}, {one['ci_high']:.3f}]"]


def test_every_verdict_of_the_readme_is_the_published_one() -> None:
    published, quoted = verdicts(), rows("verdicts")
    assert {(row[0], row[1]) for row in quoted} == set(published)  # none is left out
    assert [row for row in quoted if row[2:] != shown(published[row[0], row[1]])] == []


def test_each_statement_of_the_note_has_the_verdict_of_its_claim() -> None:
    published, quoted = verdicts(), rows("statements")
    assert len(quoted) > 10
    for row in quoted:
        one = published[row[2], row[3]]
        assert row[4:] == [*shown(one), str(one["n"])]


def test_the_cost_of_each_open_question_is_as_published() -> None:
    outcomes, questions = [one["outcome"] for one in verdicts().values()], len(undecided.still_open())
    assert (rows("decidable"), rows("undecidable")) == (undecided.within(), undecided.beyond())
    assert rows("full") == undecided.at_full_strength()
    assert len(rows("decidable")) + sum(int(row[1]) for row in rows("undecidable")) == questions
    counts = [outcomes.count(one) for one in ("pass", "fail", "undecided")]
    assert f"{len(outcomes)} verdicts: {counts[0]} pass, {counts[1]} fail, {counts[2]} are undecided" in README
    kinds = undecided.by_kind()
    asked_again = counts[2] - kinds[""]
    assert kinds[""] == questions
    assert f"{asked_again} of the undecided ones were asked again" in README
    for kind in undecided.KINDS:
        assert f"| {kind} | {kinds[kind]} |" in README
    weak = questions + kinds["weaker"]
    for count in (counts[2], weak, questions):
        assert f"**{count}, {100 * count / len(outcomes):.1f} %**" in README


def seeds_of(name: str, task: str) -> set[int]:
    """The seeds that a collection had on a task."""
    table = trials(name)
    return set(table.seed[table["task.name"] == task])


def test_a_weaker_answer_does_not_stand_in_for_one_of_its_own_strength_that_is_undecided() -> None:
    found = {
        kind: [claim for claim in undecided.answers() if undecided.kind_of(claim) == kind] for kind in ("", "same")
    }
    strong = {claim: [one for one in given if one.kind != "weaker"] for claim, given in undecided.answers().items()}
    for claim in found["same"]:
        assert {one.kind for one in strong[claim]} == {"same"}
    for claim, given in strong.items():
        outcomes = {verdicts()[other]["outcome"] for one in given for other in one.others}
        assert not given or "undecided" in outcomes or undecided.kind_of(claim) != "weaker"


def test_what_answers_an_undecided_claim_was_registered_and_is_on_other_seeds() -> None:
    published = verdicts()
    assert rows("answered") == undecided.answered()
    for claim, given in undecided.answers().items():
        assert published[claim]["outcome"] == "undecided"
        assert all(one.differs or one.kind == "same" for one in given)
        for other in (other for one in given for other in one.others):
            assert published[other]["status"] == "registered"
            for task in trials(other[0])["task.name"].unique():
                assert not seeds_of(claim[0], task) & seeds_of(other[0], task)


def test_the_tables_of_the_paper_have_the_published_verdicts() -> None:
    paper, published = ROOT / "results" / "paper", verdicts()
    assert (paper / "statements.tex").read_text() == latex(statements.table(README))
    for file in paper.glob("verdicts-*.tex"):
        name = file.stem.removeprefix("verdicts-")
        quoted = re.findall(r"^(.+) & (pass|fail|undecided) & (.+?) (?:\{\[|&)", file.read_text(), re.MULTILINE)
        found = [
            (claim, one["outcome"], f"{one['effect']:.3g}") for (of, claim), one in published.items() if of == name
        ]
        assert quoted == [(claim, outcome, _in_latex(effect)) for claim, outcome, effect in found]


def _in_latex(number: str) -> str:
    digits, _, power = number.partition("e")
    return rf"${digits}\times 10^{{{int(power)}}}$" if power else re.sub("^-", "$-$", digits)


def test_how_the_divergence_tracks_that_of_whole_sequences_is_as_published() -> None:
    kinds = [f"diagnostics/inter_latent_jsd/{kind}_mean" for kind in ("weighted", "unweighted")]
    ideal, forced = (f"diagnostics/sequence_kl/{kind}" for kind in ("on_policy", "teacher_forced"))
    for name, *quoted in rows("tracking"):
        table = trials(name)
        columns = [*kinds, ideal]
        within = table[columns] - table.groupby("config")[columns].transform("mean")
        found = [one[kinds].corrwith(one[ideal], method="spearman") for one in (table, within)]
        ratio = (table[forced] / table[ideal]).median()
        assert quoted == [str(len(table)), *(f"{x:.3f}" for x in [*found[0], *found[1], ratio])]
