from __future__ import annotations

import hashlib
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from sweeper.errors import UsageError
from sweeper.search.stored_study import study_source
from sweeper.trial import State

SPACE = {"x": FloatDistribution(0.001, 1, log=True), "kind": CategoricalDistribution(["a", "b"])}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A study with a completed, a pruned, a failed and a waiting trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    study = optuna.create_study(storage=storage, study_name="mine", direction="maximize")
    params = {"x": 0.1, "kind": "a"}
    for state, value in ((TrialState.COMPLETE, 3.0), (TrialState.PRUNED, None), (TrialState.FAIL, None)):
        reports = {0: 1.0, 5: 2.0} if state is TrialState.PRUNED else {}
        attributes = {"acc": 0.5, "note": "text"}
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                params=params,
                distributions=SPACE,
                intermediate_values=reports,
                user_attrs=attributes,
            )
        )
    study.enqueue_trial(params)
    storage.engine.dispose()
    return tmp_path / "study.db"


def test_states_values_curves_and_ranges_are_read_and_the_file_is_not_touched(database: Path) -> None:
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    found = study_source(str(database), "")
    assert [trial.state for trial in found.trials] == [State.COMPLETED, State.PRUNED, State.FAILED]
    assert found.unfinished == 1
    assert found.trials[0].metrics == {"acc": 0.5, "value": 3.0}
    assert (found.trials[1].metrics["value"], found.trials[1].steps) == (2.0, 5)
    assert found.trials[1].curve == [(0, {"value": 1.0}), (5, {"value": 2.0})]
    assert (found.goals, found.text) == ({"value": True}, "study mine of study.db")
    assert found.domains == {"x": {"min": 0.001, "max": 1.0, "log": True}, "kind": {"values": ["a", "b"]}}
    assert study_source(f"sqlite:///{database}", "mine").trials == found.trials
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before


def test_what_is_no_study_is_refused(database: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--study: no such study\n  found: yours\n  allowed: mine"):
        study_source(str(database), "yours")
    with pytest.raises(UsageError, match="no such file"):
        study_source(str(tmp_path / "missing.db"), "")
    assert not (tmp_path / "missing.db").exists()
    (tmp_path / "words.txt").write_text("words\n")
    with pytest.raises(UsageError, match=r"words.txt: --study: which study\?\n  allowed: there is none"):
        study_source(str(tmp_path / "words.txt"), "")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("mssql+pymssql://u:secret@h/x", r"No module named 'pymssql'\n  hint: install its driver"),
        ("postgres://u:secret@h/x", r"Can't load plugin: sqlalchemy.dialects:postgres\n  hint: install its driver"),
        ("sqlite://", "no such table: version_info$"),
    ],
)
def test_an_address_that_does_not_open_is_answered_with_what_its_driver_found(address: str, found: str) -> None:
    with pytest.raises(UsageError, match=f"not a storage that Optuna opens: {found}") as raised:
        study_source(address, "")
    assert "secret" not in str(raised.value)
