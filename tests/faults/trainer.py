"""The trainer of the fault table: sums its steps, saves what it needs to go on, and does what its `deed` says."""

import ctypes
import sys
import time

import numpy as np


def train(params, report, checkpoint):
    saved = checkpoint.load()
    step, total = (saved[1]["step"], saved[0]["total"]) if saved else (0, np.zeros(1))
    while step < params["steps"]:
        time.sleep(params["pause"])
        step, total = step + 1, total + step + 1
        report(step, {"score": float("nan") if params["deed"] == "nan" and step == 3 else total.item()})
        if step == 3:
            _misbehave(params["deed"])
        if checkpoint.is_due():
            checkpoint.save(step, {"total": total}, {"step": step})


train.parameters = {"steps": 5, "pause": 0.0, "deed": "good"}
train.metrics = {"score": "the sum of the steps"}


def _misbehave(deed):
    if deed == "exception":
        raise ValueError("bad luck")
    if deed == "sys.exit":
        sys.exit(3)
    if deed == "segmentation fault":
        ctypes.string_at(0)
    if deed == "out of memory":
        _grow()
    if deed == "hang":
        while True:
            time.sleep(1000)


def _grow():
    """Take memory until Ray ends this process: its monitor was told to begin at what the machine uses and 4 GB."""
    kept = []
    while True:
        kept.append(np.ones(2**24))
        time.sleep(0.02)


def busy(params, report):
    """Nothing but reports: the ledger is written all the time."""
    for step in range(1, int(params["steps"]) + 1):
        report(step, {"score": float(step)})


busy.parameters = {"steps": 5, "x": 0}
busy.metrics = {"score": "the step"}
