"""First values of weights, under PyTorch's names and with its formulas, drawn by numpy before anything is compiled.

Every function gives an array to make a Parameter of, or to assign to one:

    >>> import symnet as sn
    >>> layer = sn.nn.Linear(64, 32)
    >>> layer.weight.value = sn.nn.init.kaiming_normal(layer.weight.shape, nonlinearity="relu", rng=0)

The fans (how many numbers a weight reads and feeds) are those of this package's layers: a matrix is (in, out); with
more axes the first two are (out, in), the rest a kernel, as PyTorch has them.

References: Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks. AISTATS 2010
(xavier, in Keras glorot). He, Zhang, Ren, Sun: Delving deep into rectifiers. ICCV 2015 (kaiming, in Keras he). LeCun,
Bottou, Orr, Müller: Efficient BackProp, 1998 (lecun). Saxe, McClelland, Ganguli: Exact solutions to the nonlinear
dynamics of learning in deep linear neural networks. ICLR 2014 (orthogonal).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..dtype import FLOATS, dtype_name
from ..errors import ArgumentError, DTypeError, ShapeError

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,
}
_FANS = ("fan_in", "fan_out")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity asks for larger weights.

    Parameters
    ----------
    nonlinearity : str
        "linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
    param : number, optional
        The slope of "leaky_relu" below 0. Default: 0.01.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> from symnet.nn.init import calculate_gain
    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else _number("the slope of leaky_relu", param)
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        raise ArgumentError(f"nonlinearity is {nonlinearity!r}; expected one of {', '.join([*_GAINS, 'leaky_relu'])}")
    return _GAINS[nonlinearity]


def fans(shape: Any) -> tuple[int, int]:
    """How many numbers an element of the result reads, and how many a number feeds: (fan in, fan out).

    Raises
    ------
    ShapeError
        There are fewer than two axes.

    Examples
    --------
    >>> from symnet.nn.init import fans
    >>> fans((64, 32)), fans((32, 64, 3, 3))
    ((64, 32), (576, 288))
    """
    sizes = _sizes(shape)
    if len(sizes) < 2:
        raise ShapeError(f"the shape {sizes} has no fans; expected two axes or more")
    if len(sizes) == 2:
        return sizes[0], sizes[1]
    kernel = math.prod(sizes[2:])
    return sizes[1] * kernel, sizes[0] * kernel


def xavier_uniform(shape: Any, gain: float = 1.0, rng: Any = None, dtype: Any = "float32") -> np.ndarray:
    """Uniform within ±gain sqrt(6 / (fan in + fan out)).

    Examples
    --------
    >>> import symnet as sn
    >>> round(float(abs(sn.nn.init.xavier_uniform((100, 50), rng=0)).max()), 2)
    0.2
    """
    return _uniform(shape, math.sqrt(3.0) * _xavier_std(shape, gain), rng, dtype)


def xavier_normal(shape: Any, gain: float = 1.0, rng: Any = None, dtype: Any = "float32") -> np.ndarray:
    """Normal with standard deviation gain sqrt(2 / (fan in + fan out)).

    Examples
    --------
    >>> import symnet as sn
    >>> sn.nn.init.xavier_normal((3, 2), rng=0).shape
    (3, 2)
    """
    return _normal(shape, _xavier_std(shape, gain), rng, dtype)


def kaiming_uniform(
    shape: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Any = None,
    dtype: Any = "float32",
) -> np.ndarray:
    """Uniform within ±gain sqrt(3 / fan).

    Parameters
    ----------
    shape : sequence of int
    a : number
        The slope of "leaky_relu" below 0.
    mode : {"fan_in", "fan_out"}
        Whether values keep their spread on the way forward, or gradients on the way back.
    nonlinearity : str
        Decides the gain; see `calculate_gain`.
    rng : int or numpy.random.Generator, optional
    dtype : dtype

    Examples
    --------
    >>> import symnet as sn
    >>> round(float(abs(sn.nn.init.kaiming_uniform((600, 50), rng=0)).max()), 3)
    0.1
    """
    return _uniform(shape, math.sqrt(3.0) * _kaiming_std(shape, a, mode, nonlinearity), rng, dtype)


def kaiming_normal(
    shape: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Any = None,
    dtype: Any = "float32",
) -> np.ndarray:
    """Normal with standard deviation gain / sqrt(fan); the parameters are those of `kaiming_uniform`.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.nn.init.kaiming_normal((3, 2), mode="fan_out", nonlinearity="relu", rng=0).dtype
    dtype('float32')
    """
    return _normal(shape, _kaiming_std(shape, a, mode, nonlinearity), rng, dtype)


def lecun_normal(shape: Any, rng: Any = None, dtype: Any = "float32") -> np.ndarray:
    """Normal with standard deviation 1 / sqrt(fan in), not truncated: PyTorch's kaiming_normal_ for "linear".

    Examples
    --------
    >>> import symnet as sn
    >>> round(float(sn.nn.init.lecun_normal((400, 50), rng=0).std()), 3)
    0.05
    """
    return _normal(shape, _kaiming_std(shape, 0.0, "fan_in", "linear"), rng, dtype)


def lecun_uniform(shape: Any, rng: Any = None, dtype: Any = "float32") -> np.ndarray:
    """Uniform between plus and minus sqrt(3 / fan in): the standard deviation of :func:`lecun_normal`.

    Examples
    --------
    >>> import symnet as sn
    >>> bool(abs(sn.nn.init.lecun_uniform((300, 50), rng=0)).max() <= 0.1)
    True
    """
    return _uniform(shape, math.sqrt(3.0) * _kaiming_std(shape, 0.0, "fan_in", "linear"), rng, dtype)


def orthogonal(shape: Any, gain: float = 1.0, rng: Any = None, dtype: Any = "float32") -> np.ndarray:
    """A matrix (the first axis by all others) with orthonormal rows, or columns where those are fewer, times `gain`.

    Examples
    --------
    >>> import numpy as np, symnet as sn
    >>> q = sn.nn.init.orthogonal((5, 3), rng=0, dtype="float64")
    >>> bool(np.allclose(q.T @ q, np.eye(3)))
    True
    """
    sizes, kind = _sizes(shape), _floating(dtype)
    if len(sizes) < 2:
        raise ShapeError(f"orthogonal: the shape {sizes} is no matrix; expected two axes or more")
    rows, columns = sizes[0], math.prod(sizes[1:])
    drawn = _source(rng).standard_normal((rows, columns))
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    # Without the signs some orthogonal matrices would be likelier than others.
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return (_number("gain", gain) * (q.T if rows < columns else q)).reshape(sizes).astype(kind)


def constant(shape: Any, value: float, dtype: Any = "float32") -> np.ndarray:
    """One number everywhere.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.nn.init.constant((2,), 0.5)
    array([0.5, 0.5], dtype=float32)
    """
    return np.full(_sizes(shape), _number("value", value), _floating(dtype))


# Keras's names.
glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal


def _xavier_std(shape: Any, gain: float) -> float:
    return _number("gain", gain) * math.sqrt(2.0 / max(sum(fans(shape)), 1))


def _kaiming_std(shape: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in _FANS:
        raise ArgumentError(f"mode is {mode!r}; expected one of {', '.join(_FANS)}")
    gain = calculate_gain(nonlinearity, a)
    return gain / math.sqrt(max(fans(shape)[_FANS.index(mode)], 1))


def _uniform(shape: Any, bound: float, rng: Any, dtype: Any) -> np.ndarray:
    bound = abs(bound)
    return _source(rng).uniform(-bound, bound, _sizes(shape)).astype(_floating(dtype))


def _normal(shape: Any, std: float, rng: Any, dtype: Any) -> np.ndarray:
    return (_source(rng).standard_normal(_sizes(shape)) * std).astype(_floating(dtype))


def _source(rng: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ArgumentError(f"rng is {rng!r}; expected None, an int >= 0 or a numpy.random.Generator") from None


def _sizes(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, Integral):
        shape = (shape,)
    if not isinstance(shape, Iterable) or isinstance(shape, str):
        raise ArgumentError(f"shape is {shape!r}; expected a sequence of ints")
    sizes = tuple(shape)
    for axis, size in enumerate(sizes):
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 0:
            raise ShapeError(f"axis {axis} of shape has {size!r}; expected an int >= 0")
    return tuple(map(int, sizes))


def _number(whose: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ArgumentError(f"{whose} is {value!r}; expected a finite number")
    return float(value)


def _floating(dtype: Any) -> str:
    name = dtype_name(dtype)
    if name not in FLOATS:
        raise DTypeError(f"first values of dtype {name}: expected one of {', '.join(FLOATS)}")
    return name


__all__ = [
    "calculate_gain",
    "constant",
    "fans",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "orthogonal",
    "xavier_normal",
    "xavier_uniform",
]
