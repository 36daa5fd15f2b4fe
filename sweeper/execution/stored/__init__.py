"""A sweep in storage that all machines reach: its ledger and trials' files, and the lock of its driver.

Checkpoints are written there by workers (`worker/stored_checkpoints.py`); nothing here trains.
"""
