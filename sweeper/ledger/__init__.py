"""The results folder on disk: paths, events, history, lock.

Nothing here knows the sweep file or how a trial is trained.
"""
