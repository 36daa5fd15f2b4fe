"""What happens inside a worker: an attempt at a trial, its checkpoints, a pack.

Nothing here knows of Ray or of the session; a worker speaks to its driver through `job.Driver`.
"""
