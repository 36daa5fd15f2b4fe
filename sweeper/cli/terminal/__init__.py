"""What rich draws: progress, plans, tables and summaries in a terminal.

Nothing here reads files or computes results.
"""
