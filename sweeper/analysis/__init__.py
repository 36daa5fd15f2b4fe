"""From the ledger to data frames, statistics, effects and comparisons.

Nothing here draws, prints or writes a file.
"""
