"""Metrics of a trained model on the test split: accuracy, alignment, divergences, samples.

Nothing here trains.
"""
