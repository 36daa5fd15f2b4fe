"""Trainers that leave their process in another state than they found it, or leave it."""

import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy
import torch


def state(params):
    """What a trial finds, as numbers."""
    return {
        "environment": float("LEAKED" in os.environ),
        "folder": float(Path.cwd().name == "elsewhere"),
        "path": float("/leaked" in sys.path) + len(sys.argv),
        "closed": float(sys.stdout.closed or sys.stderr.closed),
        "signals": float(signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN)
        + (signal.getitimer(signal.ITIMER_REAL)[0] > 500),
        "interpreter": float(gc.isenabled()) + sys.getrecursionlimit(),
        "warnings": float(len(warnings.filters)),
        "torch": torch.tensor(0.1).element_size() + 10.0 * torch.is_grad_enabled(),
        "threads": float(torch.get_num_threads()),
        "random": random.random() + numpy.random.rand() + torch.rand(()).item(),
        "setting": float(len(params["list"])),
    }


def leaks(params, report):
    report(1, {"score": 1.0, **state(params)})
    os.environ["LEAKED"] = "1"
    Path("elsewhere").mkdir(exist_ok=True)
    os.chdir("elsewhere")
    sys.path.insert(0, "/leaked")
    sys.argv.append("leaked")
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    gc.disable()
    sys.setrecursionlimit(5000)
    warnings.simplefilter("always")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_default_device("meta")
    torch.set_num_threads(3)
    params["list"].append(1)
    sys.stdout.close()
    sys.stderr.close()


def pack(slots):
    for member in slots.join(slots.size):
        leaks(member.params, member.report)
        member.finish({"score": 1.0})


def fused(params, report):
    """Never called alone."""


fused.train_pack = pack


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raises(params, report):
    kind = params["kind"]
    if kind == "closed streams":
        sys.stdout.close()
        sys.stderr.close()
    errors = {
        "interrupt": KeyboardInterrupt(),
        "generator exit": GeneratorExit("gone"),
        "stop iteration": StopIteration(3),
        "base": BaseException("base"),
        "mute": Mute(),
        "surrogate": ValueError("a\ud800b"),
        "closed streams": ValueError("silent"),
        "chain": ExceptionGroup("two", [ValueError(1), Mute()]),
    }
    raise errors[kind]


def leaves(params, report):
    """Ends its process, forks it, or leaves something running in it, as its parameter says."""
    deed = params["deed"]
    if deed == "exit":
        os._exit(0)
    if deed == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1000)
    if deed == "exec":
        os.execvp("true", ["true"])
    if deed in ("fork", "fork and raise", "fork and report") and os.fork() == 0:
        if deed == "fork":
            return
        if deed == "fork and raise":
            raise ValueError("in the child")
        report(1, {"score": 9.0})
    if deed == "thread":
        threading.Thread(target=time.sleep, args=(1000,)).start()
    if deed == "close":
        close_all()
    report(1, {"score": 1.0})
    time.sleep(0.2)


def close_all():
    """Close every descriptor, as a daemon does; files and processes of its own still work."""
    os.closerange(3, 256)
    for descriptor in (1, 2, *range(3, 256)):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    try:
        _use_own()
    except OSError:  # the number of a file that another thread had open, and closed just now
        _use_own()


def _use_own():
    own = os.open(os.devnull, os.O_RDONLY)
    os.close(own)
    subprocess.run(["true"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def leave_pack(slots):
    for member in slots.join(slots.size):
        leaves(member.params, member.report)
        member.finish()


def fused_leaves(params, report):
    """Never called alone."""


fused_leaves.train_pack = leave_pack
