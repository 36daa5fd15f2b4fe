from __future__ import annotations

from dataclasses import replace

import pytest

from sweeper.errors import UsageError
from sweeper.importing.source import NO_SEED, ImportChoice, ImportSource, SourceTrial
from sweeper.importing.trials import imported_trials
from sweeper.ledger.entries import KEY
from sweeper.trial import State, Value
from sweeper.value_text import NO_LABELS


def found(*rows: dict[str, Value], states: str = "", ids: str = "") -> ImportSource:
    trials = [
        SourceTrial(ids[at : at + 1], f"row {at}", row, {"loss": float(at)}, State.COMPLETED)
        for at, row in enumerate(rows)
    ]
    failed = [replace(one, state=State.FAILED) if states[at : at + 1] == "f" else one for at, one in enumerate(trials)]
    return ImportSource("csv", "a table", failed)


def test_no_key_of_an_import_can_be_that_of_a_trained_trial() -> None:
    made, _ = imported_trials("old", found({"x": 1}), ImportChoice(), {}, NO_LABELS)
    assert made[0].trial.key.startswith("i")
    assert KEY.fullmatch(made[0].trial.key)
    assert made[0].trial.is_imported


def test_equal_settings_without_a_seed_are_repeats() -> None:
    made, notes = imported_trials("old", found({"x": 1}, {"x": 1.0}, {"x": 2}), ImportChoice(), {}, NO_LABELS)
    assert [(one.trial.varied, one.trial.seed) for one in made] == [({"x": 1}, 0), ({"x": 1}, 1), ({"x": 2}, 0)]
    assert made[0].trial.config == made[1].trial.config
    assert notes == ["no seed: trials with the same settings are repeats, numbered in their order"]


def test_of_several_attempts_at_one_seed_the_completed_one_counts() -> None:
    rows: tuple[dict[str, Value], ...] = (
        {"x": 1, "seed": 7},
        {"x": 1, "seed": 7},
        {"x": 1, "seed": 7},
        {"x": 1, "seed": 8},
    )
    made, notes = imported_trials("old", found(*rows, states="f.f"), ImportChoice(), {}, NO_LABELS)
    assert [(one.found.where, one.trial.seed, one.found.state) for one in made] == [
        ("row 1", 7, State.COMPLETED),
        ("row 3", 8, State.COMPLETED),
    ]
    assert notes == ["seed: seed", "2 earlier attempts of the same settings and seed left out"]
    with pytest.raises(UsageError, match="row 1: seed: two results for the same settings and seed"):
        imported_trials("old", found(*rows), ImportChoice(), {}, NO_LABELS)
    made, _ = imported_trials("old", found(*rows), ImportChoice(seed=NO_SEED), {}, NO_LABELS)
    assert [one.trial.seed for one in made] == [0, 1, 2, 3]


def test_a_trial_that_ends_late_does_not_renumber_those_known() -> None:
    first, _ = imported_trials("old", found({"x": 1}, {"x": 1}, ids="bc"), ImportChoice(), {}, NO_LABELS)
    known = {one.trial.key: one.trial.seed for one in first}
    again, _ = imported_trials("old", found({"x": 1}, {"x": 1}, {"x": 1}, ids="abc"), ImportChoice(), known, NO_LABELS)
    assert [one.trial.seed for one in again] == [2, 0, 1]


def test_a_seed_that_is_no_whole_number_is_refused_with_its_place() -> None:
    with pytest.raises(UsageError, match=r"row 1: seed: not a seed\n  found: 0\.5\n  allowed: a whole number"):
        imported_trials("old", found({"seed": 1}, {"seed": 0.5}), ImportChoice(), {}, NO_LABELS)
