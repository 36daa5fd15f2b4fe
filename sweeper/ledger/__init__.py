"""The results folder on disk: paths, events, history, lock.

Nothing here knows what a sweep file says or how a trial is trained.
"""
