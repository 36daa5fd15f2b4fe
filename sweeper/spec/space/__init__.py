"""What a parameter can be: its domain, its condition, how points are drawn from it.

Nothing here reads files, and nothing knows what a trial is.
"""
