"""A sweep file less the ledger is a plan: configurations, trials and their keys, what a run would cost.

Nothing here starts, trains or writes anything.
"""
