"""Einstein's notation: sums of products over labelled axes, made of matrix products.

    einsum    ::= term ("," term)* ("->" output)?
    term      ::= letter* ("..." letter*)?

Operands meet from left to right, two at a time. Axes that only one of them has and nothing needs later
are summed first. What is left is a matrix product (batch, left, summed) @ (batch, summed, right), or, where
nothing is summed or an operand is all summed, a product element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ..dims import Size, product
from ..dtype import normalize_axis, promote, require_equal, shape_text
from ..errors import ArgumentError, ShapeError
from ..op import deferred
from .arithmetic import cast, multiply
from .contraction import matmul
from .creation import as_value, known_dtype
from .movement import expand_dims, reshape, squeeze, transpose
from .reductions import any, sum
from .triangles import main_diagonal

# A letter, or the place of an axis of the ellipsis, counted from its end: -1 is the last.
Label = str | int
Labels = tuple[Label, ...]


class Labelled:
    """A value and a label for each of its axes; all labels are different."""

    def __init__(self, value: Any, labels: Sequence[Label]) -> None:
        self.value, self.labels = value, tuple(labels)

    @property
    def sizes(self) -> dict[Label, Size]:
        """The size of each axis."""
        return dict(zip(self.labels, self.value.shape, strict=True))

    def summed(self, labels: Sequence[Label]) -> Labelled:
        """Without these axes, in the same dtype; bools are true where one is."""
        axes = tuple(self.labels.index(n) for n in labels)
        if not axes:
            return self
        dtype = known_dtype(self.value)
        total = any(self.value, axes) if dtype == "bool" else sum(self.value, axes)
        rest = [n for n in self.labels if n not in labels]
        return Labelled(cast(total, dtype) if dtype == "int32" else total, rest)

    def unstretched(self, other: Labelled, complaint: str) -> Labelled:
        """Without axes of size 1 that are longer in another value."""
        mine, others = self.sizes, other.sizes
        shared = [n for n in self.labels if n in others]
        dropped = [n for n in shared if _is_one(mine[n]) and not _is_one(others[n])]
        for n in shared:
            if n not in dropped and not _is_one(others[n]):
                require_equal(mine[n], others[n], f"{complaint}: axis {_name(n)} is {mine[n]} and {others[n]}")
        if not dropped:
            return self
        axes = tuple(self.labels.index(n) for n in dropped)
        return Labelled(squeeze(self.value, axes), [n for n in self.labels if n not in dropped])

    def spread(self, labels: Sequence[Label]) -> Any:
        """The value with an axis for each label, in this order, of size 1 where it has none."""
        order = [self.labels.index(n) for n in labels if n in self.labels]
        missing = tuple(k for k, n in enumerate(labels) if n not in self.labels)
        moved = self.value if order == sorted(order) else transpose(self.value, order)
        return expand_dims(moved, missing) if missing else moved

    def matrices(self, batch: Labels, rows: Labels, columns: Labels) -> Any:
        """The value as matrices: the axes of `rows` as one, and those of `columns`; of size 1 where there are none."""
        moved = self.spread((*batch, *(rows or ("row",)), *(columns or ("column",))))
        if len(rows) < 2 and len(columns) < 2:
            return moved
        sizes = self.sizes
        heights, widths = ([sizes[n] for n in group] for group in (rows, columns))
        return reshape(moved, (*(sizes[n] for n in batch), product(heights), product(widths)))


def _is_one(size: Size) -> bool:
    return isinstance(size, int) and size == 1


def _name(label: Label) -> str:
    return repr(label) if isinstance(label, str) else f"{label} of the ellipsis"


def contracted(a: Labelled, b: Labelled, needed: Sequence[Label], complaint: str) -> Labelled:
    """The product of two values, summed over the labels that are not needed.

    Raises
    ------
    ShapeError
        A label has two sizes; the message begins with `complaint`.
    """
    a, b = a.unstretched(b, complaint), b.unstretched(a, complaint)
    a = a.summed([n for n in a.labels if n not in b.labels and n not in needed])
    b = b.summed([n for n in b.labels if n not in a.labels and n not in needed])
    shared = [n for n in a.labels if n in b.labels]
    batch, inner = (tuple(n for n in shared if (n in needed) == kept) for kept in (True, False))
    left, right = (tuple(n for n in x.labels if n not in shared) for x in (a, b))
    if not inner or not (left or right):
        order = (*batch, *left, *right, *inner)
        return Labelled(multiply(a.spread(order), b.spread(order)), order).summed(inner)
    sizes = {**b.sizes, **a.sizes}
    y = matmul(a.matrices(batch, left, inner), b.matrices(batch, inner, right))
    if len(left) > 1 or len(right) > 1:
        y = reshape(y, tuple(sizes[n] for n in (*batch, *left, *right)))
    elif not left or not right:
        y = squeeze(y, -1 if left else -2)
    return Labelled(y, (*batch, *left, *right))


# -- the notation --------------------------------------------------------------------------------
def _parsed(subscripts: str, count: int) -> tuple[list[str], str]:
    """The terms and the output, which is numpy's where none is written."""
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != count:
        raise ArgumentError(f"einsum {subscripts!r} has {len(terms)} terms; got {count} operands")
    for term in (*terms, output):
        letters = term.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            raise ArgumentError(f"einsum {subscripts!r}: {term!r} is no term; expected letters, and ... at most once")
    letters = "".join(terms).replace(".", "")
    if not arrow:
        once = sorted(n for n in set(letters) if letters.count(n) == 1)
        return terms, ("..." if "..." in left else "") + "".join(once)
    for n in output.replace("...", ""):
        if output.count(n) > 1 or n not in letters:
            what = "is there twice" if output.count(n) > 1 else "is in no term"
            raise ArgumentError(f"einsum {subscripts!r}: {n!r} of the output {what}; expected labels of terms, once")
    return terms, output


def _labels(term: str, axes: int, subscripts: str, shape: Any) -> Labels:
    """A label for each axis of an operand."""
    letters = term.replace("...", "", 1)
    more = axes - len(letters)
    if more < 0 or (more and "..." not in term):
        raise ShapeError(
            f"einsum {subscripts!r}: the term {term!r} and an operand of shape {shape_text(shape)}; "
            f"expected {len(letters)} axes{' or more' if '...' in term else ''}"
        )
    before, _, behind = term.partition("...")
    return (*before, *range(-more, 0), *behind)


def _distinct(value: Any, labels: Labels) -> Labelled:
    """The diagonals along axes with the same label."""
    while len(set(labels)) < len(labels):
        twice = next(n for n in labels if labels.count(n) > 1)
        first = labels.index(twice)
        second = labels.index(twice, first + 1)
        value = main_diagonal(value, first, second)
        labels = (*(n for k, n in enumerate(labels) if k not in (first, second)), twice)
    return Labelled(value, labels)


@deferred("operands")
def _einsum(*operands: Any, subscripts: str) -> Any:
    terms, output = _parsed(subscripts, len(operands))
    dtype = promote(*map(known_dtype, operands))
    factors: list[Labelled] = []
    for term, x in zip(terms, operands, strict=True):
        labels = _labels(term, len(x.shape), subscripts, x.shape)
        factors.append(_distinct(x if known_dtype(x) == dtype else cast(x, dtype), labels))
    rest = max(len([n for n in f.labels if isinstance(n, int)]) for f in factors)
    if rest and "..." not in output:
        raise ShapeError(f"einsum {subscripts!r}: the ellipsis stands for {rest} axes; expected ... in the output")
    wanted = _labels(output, len(output.replace("...", "")) + rest * ("..." in output), subscripts, ())
    complaint = f"einsum {subscripts!r} of shapes {' and '.join(shape_text(x.shape) for x in operands)}"
    result = factors[0]
    for k, factor in enumerate(factors[1:], 1):
        later = {n for f in factors[k + 1 :] for n in f.labels}
        result = contracted(result, factor, (*wanted, *later), complaint)
    return result.summed([n for n in result.labels if n not in wanted]).spread(wanted)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products in Einstein's notation, as numpy's.

    Parameters
    ----------
    subscripts : str
        A term of letters for each operand, and after ``->`` the labels of the result. A label that the
        result lacks is summed over; one that is twice in a term takes the diagonal; ``...`` stands for any
        axes, which broadcast. Without ``->`` the result has the labels that occur once, in alphabetical order.
    operands : values
        They meet from left to right. Axes of size 1 stretch.

    Raises
    ------
    ArgumentError
        The subscripts are no such text, or are for another number of operands.
    ShapeError
        A term does not fit its operand, or a label has two sizes.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.einsum("ij,jk->ki", [[1, 2], [3, 4]], [[1, 0], [1, 1]])
    array([[3, 7],
           [2, 4]])
    >>> q = sn.Variable("q", ("batch", "seq", 4, 16), "float32")
    >>> sn.einsum("bqhd,bkhd->bhqk", q, q).shape
    (batch, 4, seq, seq)
    """
    if not isinstance(subscripts, str):
        raise ArgumentError(
            f"einsum: the subscripts are {type(subscripts).__name__}; expected a str, before the operands"
        )
    values = tuple(map(as_value, operands))
    _parsed(subscripts, len(values))
    return _einsum(*values, subscripts=subscripts)


def outer(a: Any, b: Any) -> Any:
    """Each element of `a`, flattened, times each of `b`: a matrix.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.outer([1, 2], [3, 4, 5])
    array([[ 3,  4,  5],
           [ 6,  8, 10]])
    """
    return multiply(reshape(as_value(a), (-1, 1)), reshape(as_value(b), (1, -1)))


@deferred("a", "b")
def _tensordot(a: Any, b: Any, pairs: int | tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    complaint = f"tensordot of shapes {shape_text(a.shape)} and {shape_text(b.shape)} over axes {pairs}"
    left, right = _summed_axes(len(a.shape), len(b.shape), pairs, complaint)
    for k, m in zip(left, right, strict=True):
        require_equal(a.shape[k], b.shape[m], f"{complaint}: sizes {a.shape[k]} and {b.shape[m]}; expected equal ones")
    dtype = promote(known_dtype(a), known_dtype(b))
    names: Labels = tuple(f"a{k}" for k in range(len(a.shape)))
    others: Labels = tuple(names[left[right.index(k)]] if k in right else f"b{k}" for k in range(len(b.shape)))
    kept = [n for n in (*names, *others) if not (n in names and n in others)]
    x, y = (Labelled(v if known_dtype(v) == dtype else cast(v, dtype), n) for v, n in ((a, names), (b, others)))
    return contracted(x, y, kept, complaint).spread(kept)


def _summed_axes(
    m: int, n: int, pairs: int | tuple[tuple[int, ...], tuple[int, ...]], complaint: str
) -> tuple[list[int], list[int]]:
    if isinstance(pairs, int):
        if not 0 <= pairs <= min(m, n):
            raise ShapeError(f"{complaint}; expected from 0 to {min(m, n)}")
        return list(range(m - pairs, m)), list(range(pairs))
    left, right = [normalize_axis(k, m) for k in pairs[0]], [normalize_axis(k, n) for k in pairs[1]]
    if len(left) != len(right) or len(set(left)) < len(left) or len(set(right)) < len(right):
        raise ShapeError(f"{complaint}; expected as many axes of each, none of them twice")
    return left, right


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes, as numpy's.

    Parameters
    ----------
    a, b : values
    axes : int, or pair of axis or sequence of axes
        How many of the last axes of `a` meet as many of the first of `b`; or which of `a` and which of `b`.

    Raises
    ------
    ShapeError
        The axes do not exist or their sizes differ.
    ArgumentError
        `axes` is no such thing.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> sn.tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    return _tensordot(as_value(a), as_value(b), _axis_pairs(axes))


def _axis_pairs(axes: Any) -> int | tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, Integral):
        return int(axes)
    try:
        first, second = ((int(g),) if isinstance(g, Integral) else tuple(map(int, g)) for g in axes)
    except (TypeError, ValueError):
        raise ArgumentError(f"tensordot: axes is {axes!r}; expected an int, or axes of each operand") from None
    return first, second


__all__ = ["einsum", "outer", "tensordot"]
