"""A trainer that, by its parameter x from 0 to 1, reports in every way that a metric can be odd."""

import math

DEEDS = ("good", "nan", "inf", "text", "nothing", "another", "gaps", "late")


def deed(x):
    return DEEDS[min(int(x * len(DEEDS)), len(DEEDS) - 1)]


def train(params, report):
    kind, loss = deed(params["x"]), 1 + params["x"] + params["y"]
    if kind == "nothing":
        return
    for step in range(1, 7):
        odd = {"nan": math.nan, "inf": -math.inf, "text": "0.5"}.get(kind)
        if kind == "another" or (kind == "gaps" and step % 2) or (kind == "late" and step < 5):
            report(step, {"other": 1.0})
        else:
            report(step, {"loss": odd if odd is not None and step == 3 else loss / step, "other": 1.0})


train.parameters = {"x": 0.0, "y": 0.0}
