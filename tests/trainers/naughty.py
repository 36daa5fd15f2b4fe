"""Trainers that do everything a trainer should not: what becomes of each is tested."""

import os
import signal
import sys
import time


def returns_nothing(params, report):
    return None


def returns_a_number(params, report):
    return 0.5


def returns_metrics(params, report):
    report(1, {"score": 0.1})
    return {"score": 0.75}


def reports_once(params, report):
    report(1, {"score": 0.5, "rare": 7})
    report(2, {"score": 0.6})


def reports_nan(params, report):
    report(1, {"score": 0.5})
    report(2, {"score": float("nan")})


def reports_nan_aside(params, report):
    report(1, {"score": 0.5, "other": float("nan"), "more": float("-inf")})


def reports_text(params, report):
    report(1, {"score": "0.5"})


def reports_backwards(params, report):
    report(2, {"score": 1})
    report(1, {"score": 1})


def reports_another_metric(params, report):
    report(1, {"skore": 1})


def raises(params, report):
    report(1, {"score": 0.5})
    raise ValueError("bad luck\nin two lines")


def raises_once(params, report):
    """Fails the first time it is tried with these files around it."""
    from pathlib import Path

    marker = Path(params["marker"])
    if not marker.exists():
        marker.touch()
        raise ValueError("the first time always fails")
    report(1, {"score": 1.0})


def exits(params, report):
    sys.exit(3)


def dies(params, report):
    os.kill(os.getpid(), signal.SIGKILL)


def by_name(params, report):
    """Does what the parameter `deed` says; anything else is a good trial."""
    deeds = {"raise": raises, "exit": exits, "die": dies, "nan": reports_nan}
    deeds.get(params["deed"], reports_once)(params, report)


def slow(params, report):
    for step in range(1, 1 + int(params.get("reports", 20))):
        time.sleep(0.1)
        report(step, {"score": step * float(params["x"])})


def writes_a_file(params, report, directory):
    (directory / "note.txt").write_text(f"x = {params['x']}")
    report(1, {"score": 1.0})


class Fused:
    """Trains its members at once; those whose parameter says so do something bad."""

    def train_pack(self, members, report):
        going = dict.fromkeys(range(len(members)), True)
        for step in range(1, 4):
            for index, member in enumerate(members):
                if going[index]:
                    score = float("nan") if member["deed"] == "nan" and step == 2 else step * (index + 1)
                    going[index] = report(index, step, {"score": score})
            if any(member["deed"] == "raise" for member in members) and step == 2:
                raise ValueError("one of us is bad")
        return [{"score": 10.0 * (index + 1)} for index in range(len(members))]
