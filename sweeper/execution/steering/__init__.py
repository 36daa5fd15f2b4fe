"""Steering a run from another terminal: what a command means for the session, and the thread that looks for commands.

The files are those of `ledger.commands`; nothing here prints.
"""
