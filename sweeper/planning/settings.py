"""What a trainer is given of a trial: every setting in the type that is meant, and the seed.

Keys compare values, so that 1 and 1.0 are one trial. A trainer gets 1.0 where the default that it declares is a float,
or, without a default that is a number, where a value of that setting is written as one in the sweep file.
"""

from __future__ import annotations

from sweeper.spec.sweep import Sweep
from sweeper.spec.written_floats import float_places, with_floats
from sweeper.trainer.trainer import Trainer, complete
from sweeper.trial import Trial, Value


def settings(trial: Trial, sweep: Sweep, trainer: Trainer) -> dict[str, Value]:
    """The settings of a trial and its `seed`, as the trainer is to get them."""
    defaults = trainer.defaults or {}
    written = sweep.floats
    typed: dict[str, Value] = {}
    for name, value in complete(trainer, trial.params).items():
        declared = defaults.get(name)
        decides = isinstance(declared, int | float | list | dict) and not isinstance(declared, bool)
        typed[name] = with_floats(value, float_places([declared]) if decides else written.get(name))
    return {**typed, "seed": trial.seed}
