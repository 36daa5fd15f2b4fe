"""Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do."""

__version__ = "0.1.0"
