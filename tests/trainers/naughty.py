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


def reports_as_wandb_logs(params, report):
    report({"score": 0.5}, step=1)


def reports_by_keywords(params, report):
    report(step=1, metrics={"score": 0.25})


def reports_backwards(params, report):
    report(2, {"score": 1})
    report(1, {"score": 1})


def reports_the_last_epoch_again(params, report):
    for step in (1, 2, 3):
        report(step, {"loss": 1.5 / step})
    report(3, {"loss": 0.4, "score": 0.75})


def reports_the_last_step(params, report):
    report(2**63 - 1, {"score": 0.5})


def reports_this(params, report):
    report(params["step"], params["metrics"])


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


def fused(params, report):
    """Never called alone: `train_pack` trains one too."""
    raise NotImplementedError


def train_pack(slots):
    """Trains its members at once; those whose parameter says so do something bad."""
    members = dict.fromkeys(slots.join(slots.size or 4), 0)
    while members:
        for member, step in list(members.items()):
            deed, step = member.params["deed"], step + 1
            members[member] = step
            member.progress(step)
            if deed == "raise" and step == 2:
                raise ValueError("one of us is bad")
            if deed == "fail" and step == 2:
                member.fail(FloatingPointError("it is not finite"))
                del members[member]
            elif not member.report(step, {"score": float("nan") if deed == "nan" and step == 2 else step}):
                del members[member]
            elif step == 3 and deed != "leave":
                member.finish({"score": 10.0})
                del members[member]
        if any(step > 3 for step in members.values()):
            return
        members |= dict.fromkeys(slots.join((slots.size or 4) - len(members)), 0)


def never_begins(params, report):
    """Its pack takes no trial."""


never_begins.train_pack = lambda slots: None
fused.train_pack = train_pack
fused.fixed = ("width",)


def counts(params, report, checkpoint):
    """Sums the steps up to `steps`, from its last checkpoint on; one step takes `pause` seconds."""
    import numpy as np

    saved = checkpoint.load()
    step, total = (saved[1]["step"], saved[0]["total"]) if saved else (0, np.zeros(1))
    while step < params["steps"]:
        time.sleep(params.get("pause", 0))
        step += 1
        total = total + step
        if step % 2 == 0 or step == params["steps"]:
            report(step, {"score": total.item()})
        if checkpoint.is_due():
            checkpoint.save(step, {"total": total}, {"step": step})


def sees_devices(params, report, directory):
    """Writes down the GPUs that it is given, and waits until `together` trials have."""
    (directory / "devices.txt").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    until = time.monotonic() + 30
    while len(list(directory.parent.glob("*/devices.txt"))) < params["together"] and time.monotonic() < until:
        time.sleep(0.05)
    report(1, {"score": len(list(directory.parent.glob("*/devices.txt")))})
