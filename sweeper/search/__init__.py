"""Optuna asks, tells and prunes; configurations are ranked.

The only user of Optuna. Nothing here runs a trial or reads a sweep file.
"""
