"""Sweeps from Python: what the commands do, for programs and notebooks. Errors are raised, results are returned.

Nothing of a run is decided here: a file or a mapping becomes the same records as on the command line.
"""
