"""Drawing in layers: the order and the places of items within rows, for links between rows.

The classical scheme (Sugiyama, Tagawa, Toda): a link that spans rows gets a bend in each row between,
rows are ordered by sweeps of barycentres, and places are the closest to the neighbours' that keep the
order and the gaps (isotonic regression, solved by pooling adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_ORDER_SWEEPS = 8
_PLACE_SWEEPS = 12
_BEND = 6.0
_STIFF = 6.0


@dataclass(frozen=True)
class Arrangement:
    """Places along the rows.

    Attributes
    ----------
    places : list of float
        The centre of each item.
    bends : list of list of float
        For each link, the places at which it crosses the rows between its ends, in order of rows.
    """

    places: list[float]
    bends: list[list[float]]


def arrange(
    rows: Sequence[int],
    breadths: Sequence[float],
    links: Sequence[tuple[int, int]],
    gap: float,
    pull: Sequence[float] = (),
) -> Arrangement:
    """Order and place items in rows.

    Parameters
    ----------
    rows : sequence of int
        The row of each item.
    breadths : sequence of float
        How much of its row each item takes.
    links : sequence of (int, int)
        Pairs of items, the first in an earlier row.
    gap : float
        Between neighbours in a row.
    pull : sequence of float, optional
        Added to each item's barycentre: positive to have it late in its row.

    Returns
    -------
    Arrangement
        Places start at 0, the left end of the leftmost item.
    """
    if not rows:
        return Arrangement([], [])
    row, size, chains, pulls = list(rows), list(breadths), [], [*pull] or [0.0] * len(rows)
    for a, b in links:
        chain = list(range(len(row), len(row) + rows[b] - rows[a] - 1))
        row += range(rows[a] + 1, rows[b])
        size += [_BEND] * len(chain)
        pulls += [0.0] * len(chain)
        chains.append(chain)
    up: list[list[int]] = [[] for _ in row]
    down: list[list[int]] = [[] for _ in row]
    for (a, b), chain in zip(links, chains, strict=True):
        path = [a, *chain, b]
        for i, j in pairwise(path):
            down[i].append(j)
            up[j].append(i)
    levels = _order(row, up, down, pulls)
    paths = [[a, *chain, b] for (a, b), chain in zip(links, chains, strict=True)]
    places = _place(levels, size, up, down, gap, paths)
    return Arrangement(places[: len(rows)], [[places[i] for i in chain] for chain in chains])


def _order(row: list[int], up: list[list[int]], down: list[list[int]], pulls: list[float]) -> list[list[int]]:
    levels: list[list[int]] = [[] for _ in range(max(row) + 1)]
    for item in _depth_first(row, up, down):
        levels[row[item]].append(item)
    rank = [0.0] * len(row)
    for level in levels:
        _rank(level, rank)
    best, fewest = [*map(list, levels)], _crossings(levels, down, rank)
    for sweep in range(_ORDER_SWEEPS):
        near = up if sweep % 2 == 0 else down
        for level in levels if sweep % 2 == 0 else reversed(levels):
            if len(level) > 1:
                level.sort(key=lambda i: _barycentre(near[i], rank, rank[i]) + pulls[i])
            _rank(level, rank)
        count = _crossings(levels, down, rank)
        if count < fewest or sweep == 0:
            best, fewest = [*map(list, levels)], count
        if not fewest:
            break
    return best


def _depth_first(row: list[int], up: list[list[int]], down: list[list[int]]) -> list[int]:
    """Items so that connected ones follow one another."""
    seen = [False] * len(row)
    order: list[int] = []
    for start in sorted(range(len(row)), key=row.__getitem__):
        stack = [start]
        while stack:
            item = stack.pop()
            if not seen[item]:
                seen[item] = True
                order.append(item)
                stack.extend(reversed(down[item]))
                stack.extend(reversed(up[item]))
    return order


def _rank(level: list[int], rank: list[float]) -> None:
    middle = (len(level) - 1) / 2
    for k, item in enumerate(level):
        rank[item] = k - middle


def _barycentre(near: list[int], value: list[float], default: float) -> float:
    return sum(value[i] for i in near) / len(near) if near else default


def _crossings(levels: list[list[int]], down: list[list[int]], rank: list[float]) -> int:
    """How many pairs of links cross, counted with a Fenwick tree for each pair of rows."""
    total = 0
    for level, below in pairwise(levels):
        ends = [k for i in level for k in sorted(rank[j] for j in down[i])]
        tree, first = [0] * (len(below) + 1), (len(below) - 1) / 2
        for seen, end in enumerate(ends):
            k = int(end + first) + 1
            at, smaller = k, 0
            while at:
                smaller += tree[at]
                at &= at - 1
            total += seen - smaller
            while k <= len(below):
                tree[k] += 1
                k += k & -k
    return total


def _place(
    levels: list[list[int]],
    size: list[float],
    up: list[list[int]],
    down: list[list[int]],
    gap: float,
    paths: list[list[int]],
) -> list[float]:
    """Sweeps in which items go to their neighbours' middle, and the bends of a link to one line."""
    places = [0.0] * len(size)
    steps = [[(size[a] + size[b]) / 2 + gap for a, b in pairwise(v)] for v in levels]
    weights = [1.0] * len(size)
    for level, step in zip(levels, steps, strict=True):
        at = -sum(step) / 2
        for k, item in enumerate(level):
            at += step[k - 1] if k else 0.0
            places[item] = at
    long = [p for p in paths if len(p) > 2]
    straight: dict[int, float] = {}
    both = [a + b for a, b in zip(up, down, strict=True)]
    for sweep in range(_PLACE_SWEEPS):
        near = both if sweep >= _PLACE_SWEEPS - 3 else up if sweep % 2 == 0 else down
        for path in long:
            middle = sum(places[i] for i in path[1:-1]) / (len(path) - 2)
            ends = (places[path[0]] + places[path[-1]]) / 2
            for i in path[1:-1]:
                straight[i] = middle if sweep > _PLACE_SWEEPS // 2 else (middle + ends) / 2
                weights[i] = _STIFF
        for k in range(len(levels)) if sweep % 2 == 0 else range(len(levels) - 1, -1, -1):
            level = levels[k]
            wanted = [straight.get(i, _barycentre(near[i], places, places[i])) for i in level]
            for item, at in zip(level, spread(wanted, steps[k], [weights[i] for i in level]), strict=True):
                places[item] = at
    left = min(p - s / 2 for p, s in zip(places, size, strict=True))
    return [p - left for p in places]


def spread(
    wanted: Sequence[float],
    steps: Sequence[float],
    weights: Sequence[float] | None = None,
    low: float = float("-inf"),
    high: float = float("inf"),
) -> list[float]:
    """The places closest to the wanted ones, in order and at least `steps` apart.

    Parameters
    ----------
    wanted : sequence of float
    steps : sequence of float
        The least distance between each place and the next.
    weights : sequence of float, optional
        How much each one's distance counts.
    low, high : float
        The first and the last place stay between; there must be room.

    Returns
    -------
    list of float
    """
    if len(wanted) == 1:
        return [min(max(wanted[0], low), high)]
    shift, shifts = 0.0, [0.0]
    for step in steps:
        shift += step
        shifts.append(shift)
    pools: list[tuple[float, float, int]] = []  # weighted sum, weight, how many
    for k, want in enumerate(wanted):
        weight = 1.0 if weights is None else weights[k]
        total, count = weight * (want - shifts[k]), 1
        while pools and pools[-1][0] * weight >= total * pools[-1][1]:
            before, more, members = pools.pop()
            total, weight, count = total + before, weight + more, count + members
        pools.append((total, weight, count))
    result: list[float] = []
    for total, weight, count in pools:
        at = min(max(total / weight, low), high - shift)
        result += [at + s for s in shifts[len(result) : len(result) + count]]
    return result
