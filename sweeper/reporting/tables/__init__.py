"""Result tables in every format.

Nothing here computes statistics: that is `sweeper.analysis`.
"""
