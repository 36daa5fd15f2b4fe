"""What happens inside a worker: an attempt at a trial, alone or in a pack, its checkpoints, its isolation.

Nothing here knows of Ray or of the session; a worker reaches its driver through `job.Driver`.
"""
