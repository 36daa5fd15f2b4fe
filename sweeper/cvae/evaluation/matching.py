"""The best one-to-one assignment of latents to strategies: the Hungarian method, by shortest augmenting paths.

Here, and not taken from scipy, because the trainer needs nothing but torch. Shapes: K latents, S strategies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_matching(score_KS: Sequence[Sequence[float]]) -> list[int]:
    """For each latent the strategy assigned to it, -1 for none, such that the scores' sum is greatest.

    Each strategy is given once at most; min(K, S) latents get one. O(K^2 S) for K <= S.
    """
    rows, columns = len(score_KS), len(score_KS[0])
    if rows > columns:
        match_S = best_matching([list(column) for column in zip(*score_KS, strict=True)])
        owner = {latent: strategy for strategy, latent in enumerate(match_S)}
        return [owner.get(latent, -1) for latent in range(rows)]
    row_of = _assign([[-score for score in row] for row in score_KS], columns)
    match = [-1] * rows
    for column, row in enumerate(row_of):
        if row >= 0:
            match[row] = column
    return match


def _assign(cost: list[list[float]], columns: int) -> list[int]:
    """The row assigned to each column, -1 for none; ``cost`` has no more rows than columns."""
    row_price, column_price = [0.0] * len(cost), [0.0] * (columns + 1)
    row_of = [-1] * (columns + 1)  # the last column is where each new row enters
    for row in range(len(cost)):
        row_of[columns] = row
        _augment(cost, columns, row_of, row_price, column_price)
    return row_of[:columns]


def _augment(
    cost: list[list[float]], columns: int, row_of: list[int], row_price: list[float], column_price: list[float]
) -> None:
    """Frees a column for the row at the entrance, along the shortest path of reassignments."""
    distance, came_from = [math.inf] * columns, [columns] * columns
    done, at = [False] * (columns + 1), columns
    while row_of[at] >= 0:
        done[at] = True
        row, open_columns = row_of[at], [j for j in range(columns) if not done[j]]
        for j in open_columns:
            reduced = cost[row][j] - row_price[row] - column_price[j]
            if reduced < distance[j]:
                distance[j], came_from[j] = reduced, at
        nearest = min(open_columns, key=distance.__getitem__)
        step = distance[nearest]
        for j in (*range(columns), columns):
            if done[j]:
                row_price[row_of[j]] += step
                column_price[j] -= step
            elif j < columns:
                distance[j] -= step
        at = nearest
    while at != columns:
        row_of[at], at = row_of[came_from[at]], came_from[at]
    row_of[columns] = -1
