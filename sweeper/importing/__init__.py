"""Trials of other tools as a read-only sweep: their records, which columns are what, the sweep file, the ledger.

Tables are read here; an Optuna study is read in `search`, an MLflow experiment in `tracking`. Nothing here trains.
"""
