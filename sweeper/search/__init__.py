"""Optuna's ask, tell and prune; the ranking of configurations.

The only user of Optuna. Nothing here runs a trial or reads a sweep file.
"""
