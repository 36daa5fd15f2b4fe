"""A trainer whose result is known but for noise: score = a + gain * b + spread * noise(seed, a, b); some diverge."""

import random


def train(params, report):
    a, b, seed = params["a"], params["b"], params["seed"]
    noise = random.Random(f"{params['salt']} {seed} {a} {b}").gauss(0, 1)
    if b > 0 and seed in params["diverging"]:
        raise FloatingPointError("loss is nan")
    report(1, {"score": a + params["gain"] * b + params["spread"] * noise, "cost": float(a)})


train.parameters = {"a": 0.0, "b": 0.0, "gain": 0.0, "spread": 0.0, "diverging": [], "salt": 0}
train.metrics = {"score": "a known number and noise, in points", "cost": "a, exactly"}
