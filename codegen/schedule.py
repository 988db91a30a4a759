"""How a kernel is to be run, as data: which index the lanes count, and the shape of the register tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from symnet.dims import Dim, Size, names
from symnet.scalar import BITS, TRANSCENDENTAL, Scalar, scalars_in

from .loops import postorder
from .targets import LARGEST_STRIDE, Target

Axes = Sequence[tuple[str, Size]]
# What an open size is taken to be when choices are weighed.
TYPICAL = 64
# Instances of the body in one unrolled tile, times its words.
LARGEST_BODY = 640
# A fold of so few steps needs no loop.
FEWEST_STEPS = 4
# A sum that waits for its last step leaves room for so many others.
SUMS = 8
# With so many rows to use it, copying a strip is cheap.
PACKED_ROWS = 48
# Bytes of rows that are swept together.
L1_SHARE = 8192


@dataclass(frozen=True)
class Schedule:
    """A choice of loops.

    Attributes
    ----------
    vector : str or None
        The index counted by the lanes: of the domain, or of a fold ("horizontal").
    lanes : int
    vectors : int
        Vectors side by side in the tile.
    row : str or None
        The domain index whose neighbours share a tile.
    rows : int
    column : str or None
        In a horizontal tile, a second such index.
    columns : int
    horizontal : bool
    columns_first : bool
        Whether all rows pass one strip of columns before the next strip, which then stays in the cache.
    packed : bool
        Whether such a strip is first copied side by side, so that its rows do not compete for the same
        places in the cache.
    paired : bool
        Whether what is multiplied is first rounded to bfloat16, in pairs along the sum.
    """

    vector: str | None
    lanes: int
    vectors: int = 1
    row: str | None = None
    rows: int = 1
    column: str | None = None
    columns: int = 1
    horizontal: bool = False
    columns_first: bool = False
    packed: bool = False
    paired: bool = False


def choose(
    domain: Axes, values: Sequence[Scalar], addresses: Sequence[Size], folds: Sequence[Scalar], target: Target
) -> Schedule:
    """The schedule for a kernel that stores `values` at `addresses` for every index of `domain`."""
    lanes = target.lanes(_widest(values))
    loads = _weighted_loads(values, folds)
    best: tuple[float, str | None, bool] = (float("inf"), None, False)
    repeated = _repeated(domain, folds)
    for name, size in domain:
        cost = sum(weight * _cost(x.payload[1][0], name, lanes, repeated.get(x, {})) for x, weight in loads)
        cost += sum(2 * _cost(a, name, lanes) for a in addresses)
        best = min(best, (cost / _fill(size, lanes), name, False), key=lambda item: item[0])
    for name, size in _horizontal_axes(folds):
        cost = sum(weight * _cost(x.payload[1][0], name, lanes) for x, weight in loads) + 2 * len(addresses)
        best = min(best, (cost / _fill(size, lanes) + _meeting(folds, lanes), name, True), key=lambda item: item[0])
    vector, horizontal = best[1], best[2]
    if vector is None:
        return Schedule(None, 1)
    sizes = dict(domain)
    words = max(len(postorder(list(values))), 1)
    if horizontal:
        size = dict(_horizontal_axes(folds))[vector]
        sums = target.tile_rows * target.tile_vectors
        # Tests of padding and places are shared by the tile.
        own = max(sum(x.op != "index" and x.dtype != "bool" for x in postorder(list(values))), 1)
        tile = _horizontal_tile(domain, vector, folds, max(min(sums, LARGEST_BODY // own), 1))
        vectors = _vectors(size, lanes, max(1, min(4, sums // (2 * tile.rows * tile.columns))), words)
        return replace(tile, lanes=lanes, vectors=vectors)
    row = _row(domain, vector, folds)
    # A single row has as many sums as other tiles have, side by side.
    most = target.tile_vectors if row is not None else target.tile_rows * target.tile_vectors * 2 // 3
    vectors = _vectors(sizes[vector], lanes, most if folds else 2, words)
    rows = 1
    if row is not None:
        rows = _rows(sizes[row], vectors, words, target)
    strip = rows > 1 and _strip_pays(folds, sizes, vector, row or "", (rows, lanes * vectors), target)
    many = strip and isinstance(sizes[row or ""], int) and sizes[row or ""] >= PACKED_ROWS  # type: ignore[operator]
    made = Schedule(vector, lanes, vectors, row if rows > 1 else None, rows, columns_first=strip, packed=many)
    if any(moves(load, vector) != 1 for _, load in packable(folds, made)):
        # The strip stands on its side: copying turns it.
        made = replace(made, columns_first=True, packed=True)
    if target.has_bf16 and made.row is not None and _has_pairs(folds, made):
        made = replace(made, columns_first=True, packed=True, paired=True)
    return made


def _has_pairs(folds: Sequence[Scalar], schedule: Schedule) -> bool:
    """Whether the one fold adds products of rounded numbers, one of each row and one of each column."""
    if len(folds) != 1 or folds[0].payload.kind != "add" or len(folds[0].payload.axes) != 1:
        return False
    (body,) = folds[0].args
    loads = [x.args[0] for x in body.args if x.op == "bfloat16" and x.args[0].op == "load" and not x.args[0].args]
    if body.op != "mul" or len(loads) != 2:
        return False
    found = [(moves(x, str(schedule.row)) != 0, moves(x, str(schedule.vector)) != 0) for x in loads]
    return sorted(found) == [(False, True), (True, False)]


def parts_of(folds: Sequence[Scalar], sums: int) -> int:
    """In how many partial sums a fold over one axis is computed, where a tile has so many sums."""
    if any(f.payload.kind.startswith("arg") for f in folds):
        return 1
    steps = [n if isinstance(n, int) else TYPICAL for f in folds for _, n in f.payload.axes]
    return max(1, min(SUMS // (sums * max(len(folds), 1)), min(steps, default=1) // FEWEST_STEPS))


def packable(folds: Sequence[Scalar], schedule: Schedule) -> list[tuple[Scalar, Scalar]]:
    """The loads (or pairs of them) that every row of a strip repeats, each with its fold."""
    found: dict[Scalar, Scalar] = {}
    for fold in folds:
        for x in _unconditional(fold):
            still = schedule.row is not None and moves(x, schedule.row) == 0
            if still and moves(x, str(schedule.vector)) not in (0, None):
                found.setdefault(x, fold)
    return [(fold, load) for load, fold in found.items()]


def _weighted_loads(values: Sequence[Scalar], folds: Sequence[Scalar]) -> list[tuple[Scalar, float]]:
    """Every load, and how often it is made beside those of the folds: once after them all it costs little."""
    inside = set(postorder([f.args[0] for f in folds]))
    steps = max((prod(n if isinstance(n, int) else TYPICAL for _, n in f.payload.axes) for f in folds), default=1)
    after = 1 / max(steps, 1)
    return [(x, 1.0 if not folds or x in inside else after) for x in postorder(list(values)) if x.op == "load"]


def _unconditional(fold: Scalar) -> list[Scalar]:
    """The loads of a fold over one axis that have no guard; where it has pairs, those."""
    if len(fold.payload.axes) != 1 or fold.payload.kind.startswith("arg"):
        return []
    words = postorder([fold.args[0]])
    return [x for x in words if x.op == "pair"] or [x for x in words if x.op == "load" and not x.args]


def first_load(x: Scalar) -> Scalar:
    """The first load of a pair; a load itself."""
    return x.args[0] if x.op == "pair" else x


def moves(x: Scalar, name: str) -> int | None:
    """How far the address of a load, or of the first one of a pair, moves with an index; see :func:`stride`."""
    return stride(first_load(x).payload[1][0], name)


def _repeated(domain: Axes, folds: Sequence[Scalar]) -> dict[Scalar, dict[str, int]]:
    """For each load that may be packed the domain indices it does not depend on, with their extents."""
    extents = {name: size if isinstance(size, int) else TYPICAL for name, size in domain}
    loads = {x for fold in folds for x in _unconditional(fold)}
    return {x: {n: k for n, k in extents.items() if stride(x.payload[1][0], n) == 0} for x in loads}


def _strip_pays(
    folds: Sequence[Scalar], sizes: dict[str, Size], vector: str, row: str, tile: tuple[int, int], target: Target
) -> bool:
    """Whether more would come from beyond the L2 cache if the columns ran inside the rows."""
    columns = rows = 0
    for fold in folds:
        extents = {**sizes, **dict(fold.payload.axes)}
        for x in postorder([fold.args[0]]):
            if x.op == "load":
                moves = [n for n in extents if stride(x.payload[1][0], n) != 0]
                elements = prod(n if isinstance(n, int) else TYPICAL for n in (extents[m] for m in moves))
                columns += elements * BITS[x.dtype] // 8 if vector in moves and row not in moves else 0
                rows += elements * BITS[x.dtype] // 8 if row in moves and vector not in moves else 0
    n_rows, n_columns = (n if isinstance(n, int) else TYPICAL for n in (sizes[row], sizes[vector]))
    row_first = -(-n_rows // tile[0]) * columns + rows
    column_first = -(-n_columns // tile[1]) * rows + columns
    return columns > target.l2_bytes // 2 and column_first < row_first


def rows_in_step(extent: Size, size: Size, values: Sequence[Scalar]) -> int:
    """How many rows are swept together: while one waits for its sum or its maximum, another goes on.

    They and those that are fetched meanwhile must fit in the L1 cache beside what is written. An open number of
    rows has an end that is compiled once more.
    """
    words = postorder(list(values))
    row_bytes = (size if isinstance(size, int) else TYPICAL) * _widest(words) // 8
    most = min(L1_SHARE // max(row_bytes, 1), 4 if len(words) <= 60 else 2)
    return _alike(extent, max(most, 1)) if isinstance(extent, int) else max(min(most, 2), 1)


def for_sweep(axis: str, size: Size, lanes: int, values: Sequence[Scalar], rows: int) -> Schedule:
    """The schedule of one sweep along so many rows that computes `values`.

    A light body runs in several vectors at once: a fold waits for its own last result, and only other
    accumulators can fill that time.
    """
    words = postorder(list(values))
    most = 8 if len(words) <= 8 else 4 if len(words) <= 20 else 2 if len(words) <= 60 else 1
    if any(x.op in TRANSCENDENTAL for x in words):
        most = min(most, 2)
    most = max(most // rows, 1)
    vectors = most if not isinstance(size, int) else max(1, min(most, size // lanes))
    return Schedule(axis, lanes, vectors, horizontal=True)


def _widest(values: Sequence[Scalar]) -> int:
    """The bits of an element: those of the widest float if there is one, else of the widest integer."""
    every = postorder(list(values))
    floats = [BITS[x.dtype] for x in every if x.dtype in ("float32", "float64")]
    return max(floats or [BITS[x.dtype] for x in every] or [32])


def _horizontal_axes(folds: Sequence[Scalar]) -> Axes:
    """The innermost fold axis, where the lanes may count it."""
    if not folds or any(f.payload.kind.startswith("arg") for f in folds):
        return ()
    return folds[0].payload.axes[-1:]


def stride(address: Size, name: str) -> int | None:
    """How far an address moves when an index grows by one; None if that is no constant."""
    if not isinstance(address, Dim):
        return 0
    step = 0
    for monomial, coefficient in address.terms:
        if monomial == (name,):
            step = coefficient
        elif any(_depends(atom, name) for atom in monomial):
            return None
    return step


def _depends(atom: object, name: str) -> bool:
    if isinstance(atom, str):
        return atom == name
    whole = Dim.named(atom)
    if name in names(whole):
        return True
    inner = list(scalars_in(whole))
    return any(
        name in names(size)
        for x in postorder(inner)
        for size in (x.payload[1] if x.op == "load" else (x.payload,) if x.op == "index" else ())
    )


def _cost(address: Size, name: str, lanes: int, repeated: Mapping[str, int] | None = None) -> float:
    """What a load or store costs if the lanes count `name`; a strided load can be packed once for all rows."""
    step = stride(address, name)
    if step in (0, 1):
        return 0.3 if step == 0 else 1.0
    if step is not None and 1 < step <= LARGEST_STRIDE:
        return 1.0 + step
    rows = max((n for index, n in (repeated or {}).items() if index != name), default=1)
    return 2.0 * lanes if step is None or rows <= 1 else 1.0 + 2.0 * lanes / rows


def _horizontal_tile(domain: Axes, vector: str, folds: Sequence[Scalar], most: int) -> Schedule:
    """Two indices that share loads of vectors in folds over several axes: the tile of fewest loads for each sum.

    Folds over a single axis are computed one by one.
    """
    best, least = Schedule(vector, 1, horizontal=True), float("inf")
    if any(len(f.payload.axes) == 1 for f in folds):
        return best
    addresses = {x.payload[1][0] for x in postorder([f.args[0] for f in folds]) if x.op == "load"}
    moving = [a for a in addresses if stride(a, vector) != 0]
    sizes = [(name, size if isinstance(size, int) else TYPICAL) for name, size in domain]
    for row, n_rows in sizes:
        for column, n_columns in [("", 1), *(pair for pair in sizes if pair[0] != row)]:
            for rows in range(1, min(most, n_rows) + 1):
                columns = _alike(n_columns, most // rows)
                each = [
                    (rows if stride(a, row) != 0 else 1) * (columns if stride(a, column) != 0 else 1) for a in moving
                ]
                if rows == _alike(n_rows, rows) and sum(each) / (rows * columns) < least:
                    least = sum(each) / (rows * columns)
                    best = replace(best, row=row, rows=rows, column=column or None, columns=columns)
    return best


def _alike(extent: int, most: int) -> int:
    """The size of tiles that cover an extent, as equal as can be."""
    return -(-extent // -(-extent // most)) if extent else 1


def _meeting(folds: Sequence[Scalar], lanes: int) -> float:
    """What it costs, for each vector of a fold, that the lanes meet at its end: much in a fold of few elements."""
    elements = prod(n if isinstance(n, int) else TYPICAL for _, n in folds[0].payload.axes)
    return 8.0 * lanes / max(elements, 1) if elements < lanes else 1.0


def _fill(size: Size, lanes: int) -> float:
    """The share of lanes that do work."""
    extent = size if isinstance(size, int) else TYPICAL
    return max(extent, 1) / (-(-max(extent, 1) // lanes) * lanes)


def _vectors(size: Size, lanes: int, most: int, words: int) -> int:
    fitting = max(size // lanes, 1) if isinstance(size, int) else most
    return max(1, min(most, fitting, LARGEST_BODY // words))


def _rows(extent: Size, vectors: int, words: int, target: Target) -> int:
    """Rows of a tile: as many as keep the multipliers busy, more where a row has few vectors; of equal tiles."""
    most = max(target.tile_rows, target.tile_rows * target.tile_vectors * 2 // (3 * vectors))
    most = max(1, min(most, LARGEST_BODY // (words * vectors)))
    return _alike(extent, most) if isinstance(extent, int) else min(most, target.tile_rows)


def _row(domain: Axes, vector: str, folds: Sequence[Scalar]) -> str | None:
    """A domain index that some load inside the folds does not depend on: its rows share that load.

    Best is one whose rows share a load of vectors: what they do not share is then one number each.
    """
    loads = [x for x in postorder([f.args[0] for f in folds]) if x.op == "load"]
    best: tuple[int, str | None] = (-1, None)
    for name, size in reversed(domain):
        still = [x for x in loads if stride(x.payload[1][0], name) == 0]
        if name != vector and size != 1 and still and len(still) < len(loads):
            shared = sum(stride(x.payload[1][0], vector) != 0 for x in still)
            best = max(best, (shared, name), key=lambda item: item[0])
    return best[1]
