"""The traces of six sorting algorithms, and a checker that replays any trace.

A step is (i, j, what): positions of a list, the first of which holds the element that the algorithm compares, and
what it finds or does. With lo and hi the lesser and the greater of them, ``<`` the two are in order, ``>`` they are not
and stay, ``x`` they are not and are exchanged, ``m`` they are not and the element at hi is moved to lo, those between
making room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

Step = tuple[int, int, str]
OUTCOMES = ("<", ">", "x", "m")


def apply(step: Step, values: list[int]) -> bool:
    """Takes a step on ``values``, in place; False, and nothing done, if it is wrong about them."""
    i, j, what = step
    lo, hi = min(i, j), max(i, j)
    if lo == hi or hi >= len(values) or what not in OUTCOMES or (values[lo] <= values[hi]) != (what == "<"):
        return False
    if what == "x":
        values[lo], values[hi] = values[hi], values[lo]
    elif what == "m":
        values.insert(lo, values.pop(hi))
    return True


def trace(algorithm: str, values: Sequence[int]) -> list[Step]:
    """The steps with which an algorithm sorts ``values``."""
    return list(ALGORITHMS[algorithm](list(values)))


def _exchanged(i: int, j: int, values: list[int]) -> Step:
    """Compares the elements at i and j and puts them in order."""
    what = "<" if values[min(i, j)] <= values[max(i, j)] else "x"
    apply((i, j, what), values)
    return i, j, what


def _bubble(values: list[int]) -> Iterator[Step]:
    """The least rises to the front, pair by pair from the end."""
    for front in range(len(values) - 1):
        for j in range(len(values) - 1, front, -1):
            yield _exchanged(j - 1, j, values)


def _insertion(values: list[int], gap: int = 1) -> Iterator[Step]:
    """Each element goes back until the one before it is no greater."""
    for start in range(gap, len(values)):
        for j in range(start, gap - 1, -gap):
            step = _exchanged(j, j - gap, values)
            yield step
            if step[2] == "<":
                break


def _selection(values: list[int]) -> Iterator[Step]:
    """The least of the rest is sought and exchanged to its place."""
    for front in range(len(values) - 1):
        least = front
        for j in range(front + 1, len(values)):
            less = values[j] < values[least]
            yield least, j, ">" if less else "<"
            least = j if less else least
        if least != front:
            yield _exchanged(front, least, values)


def _cocktail(values: list[int]) -> Iterator[Step]:
    """Forwards the greatest goes to the end, backwards the least to the front."""
    low, high = 0, len(values) - 1
    while low < high:
        for j in range(low, high):
            yield _exchanged(j, j + 1, values)
        high -= 1
        for j in range(high, low, -1):
            yield _exchanged(j - 1, j, values)
        low += 1


def _shell(values: list[int]) -> Iterator[Step]:
    """Insertion at gaps of half the length, a quarter, ... 1."""
    gap = len(values) // 2
    while gap:
        yield from _insertion(values, gap)
        gap //= 2


def _merge(values: list[int]) -> Iterator[Step]:
    """Runs of 1, 2, 4, ... are merged in pairs: the head of the right one is moved where it is less."""
    width = 1
    while width < len(values):
        for low in range(0, len(values) - width, 2 * width):
            left, right, end = low, low + width, min(low + 2 * width, len(values))
            while left < right < end:
                what = "<" if values[left] <= values[right] else "m"
                apply((left, right, what), values)
                yield left, right, what
                right += what == "m"
                left += 1
        width *= 2


ALGORITHMS: dict[str, Callable[[list[int]], Iterator[Step]]] = {
    "bubble": _bubble,
    "insertion": _insertion,
    "selection": _selection,
    "cocktail": _cocktail,
    "shell": _shell,
    "merge": _merge,
}
