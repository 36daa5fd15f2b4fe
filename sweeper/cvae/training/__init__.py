"""Packs of trials that train as one program: batches, steps, optimizer, baseline, compiled programs.

Nothing here knows of sweep files or results folders.
"""
