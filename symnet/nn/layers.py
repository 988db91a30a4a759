"""Modules: functions with Parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import ops
from ..dims import product
from ..dtype import FLOATS, dtype_name, normalize_axis, shape_text
from ..errors import ArgumentError, DTypeError, ShapeError
from ..expr import Parameter, as_numbers, check_fits
from ..op import OPS, apply, deferred
from ..ops.indexing import check_index


class Module:
    """A function of symbolic values that owns Parameters, its own and those of the modules in its attributes.

    Attributes may also be lists and tuples of them.

    Examples
    --------
    >>> import symnet as sn
    >>> class Shift(sn.nn.Module):
    ...     def __init__(self):
    ...         self.by = sn.Parameter([1.0], name="by")
    ...     def forward(self, x):
    ...         return x + self.by
    >>> len(Shift().parameters())
    1
    """

    training = True

    def forward(self, x: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the attributes, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple)):
                yield from ((f"{name}.{k}", v) for k, v in enumerate(value) if isinstance(v, Module))

    def named_parameters(self) -> dict[str, Parameter]:
        """Every Parameter under its path, such as "layers.0.weight"; one that is shared, once."""
        found: dict[str, Parameter] = {}
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                found[name] = value
            elif isinstance(value, (list, tuple)):
                found.update({f"{name}.{k}": v for k, v in enumerate(value) if isinstance(v, Parameter)})
        for name, child in self.children():
            found.update({f"{name}.{n}": p for n, p in child.named_parameters().items()})
        once: dict[int, str] = {}
        return {n: p for n, p in found.items() if once.setdefault(id(p), n) == n}

    def parameters(self) -> list[Parameter]:
        """Every Parameter."""
        return list(self.named_parameters().values())

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all Parameters' numbers."""
        return {n: p.value.copy() for n, p in self.named_parameters().items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Set all Parameters; all or none.

        Parameters
        ----------
        state : dict of str to array
            What `state_dict` gives.

        Raises
        ------
        ArgumentError
            It is no dict, a name is missing or unknown, or a shape differs.
        DTypeError
            Numbers do not cast safely to a Parameter's dtype.

        Examples
        --------
        >>> import symnet as sn
        >>> one, two = sn.nn.Linear(2, 3), sn.nn.Linear(2, 3)
        >>> two.load_state_dict(one.state_dict())
        >>> bool((one.weight.value == two.weight.value).all())
        True
        """
        if not isinstance(state, Mapping):
            raise ArgumentError(f"the state is {type(state).__name__}; expected a dict of names to arrays")
        parameters = self.named_parameters()
        missing, unknown = [n for n in parameters if n not in state], [n for n in state if n not in parameters]
        if missing or unknown:
            raise ArgumentError(f"the state lacks {missing} and has unknown {unknown}")
        arrays = {name: _fitting(name, state[name], p.value) for name, p in parameters.items()}
        for name, parameter in parameters.items():
            parameter.value = arrays[name]

    def train(self, mode: bool = True) -> Module:
        """Switch to training; `eval` back."""
        self.training = mode
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Module:
        """Switch to inference."""
        return self.train(False)


def floating_name(whose: str, dtype: Any) -> str:
    """The name of a floating dtype.

    Raises
    ------
    DTypeError
        It is another one.
    """
    name = dtype_name(dtype, whose)
    if name not in FLOATS:
        raise DTypeError(f"{whose} with dtype {name}: expected one of {', '.join(FLOATS)}")
    return name


def _fitting(name: str, value: Any, held: np.ndarray) -> np.ndarray:
    """A state's entry in the shape and dtype of the numbers that it replaces."""
    whose = f"the state's {name!r}"
    array = as_numbers(value, whose)
    if array.shape != held.shape:
        raise ArgumentError(f"{whose} has shape {array.shape} ({array.dtype}); expected {held.shape} ({held.dtype})")
    if not np.can_cast(array.dtype, held.dtype, "same_kind"):
        raise DTypeError(f"{whose} is {array.dtype}, which does not cast safely to the Parameter's {held.dtype}")
    check_fits(array, held.dtype.name, whose)
    return array.astype(held.dtype)


class Linear(Module):
    """A fully connected layer, ``x @ weight + bias``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        The weights are drawn uniformly within ±1/sqrt(in_features), as PyTorch's (He et al., 2015, with
        slope sqrt 5).

    Attributes
    ----------
    weight : Parameter of shape (in, out)
    bias : Parameter of shape (out,), or None

    Raises
    ------
    DTypeError
        The dtype is not floating.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = "float32", rng: Any = None
    ) -> None:
        dtype = floating_name("Linear", dtype)
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(max(in_features, 1))
        draw = rng.uniform(-bound, bound, (in_features, out_features))
        self.weight = Parameter(draw.astype(dtype), name="weight")
        offset = rng.uniform(-bound, bound, out_features).astype(dtype)
        self.bias = Parameter(offset, name="bias") if bias else None

    def forward(self, x: Any) -> Any:
        product = ops.matmul(x, self.weight)
        return product if self.bias is None else product + self.bias


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return ops.relu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return ops.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return ops.tanh(x)


class Softmax(Module):
    """softmax along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return ops.softmax(x, self.axis)


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one: all but the first.

    Examples
    --------
    >>> import symnet as sn
    >>> sn.nn.Flatten()(sn.Variable("x", shape=("batch", 8, 3, 3))).shape
    (batch, 72)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Any:
        return _flat(x, self.start_dim, self.end_dim)


@deferred("x")
def _flat(x: Any, start_dim: int, end_dim: int) -> Any:
    first, last = (normalize_axis(a, len(x.shape)) for a in (start_dim, end_dim))
    if first > last:
        raise ShapeError(f"Flatten of axes {start_dim} to {end_dim} of {shape_text(x.shape)}: they are in no order")
    return ops.reshape(x, (*x.shape[:first], product(x.shape[first : last + 1]), *x.shape[last + 1 :]))


class Embedding(Module):
    """Rows of a table, chosen by integers.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        The table's rows and their length.
    dtype : dtype
        A floating one.
    rng : int or numpy.random.Generator, optional
        The table is drawn from a normal distribution with mean 0 and variance 1, as PyTorch's.

    Attributes
    ----------
    weight : Parameter of shape (num_embeddings, embedding_dim)

    Raises
    ------
    DTypeError
        The dtype is not floating, or the indices are no integers.
    IndexOutOfBounds
        At the call: an index is no row. Negative ones do not count from the end.

    Examples
    --------
    >>> import symnet as sn
    >>> words = sn.Variable("words", ("batch", 5), "int64")
    >>> sn.nn.Embedding(1000, 16)(words).shape
    (batch, 5, 16)

    References
    ----------
    Bengio et al., A Neural Probabilistic Language Model, 2003.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, dtype: Any = "float32", rng: Any = None) -> None:
        dtype = floating_name("Embedding", dtype)
        draw = np.random.default_rng(rng).standard_normal((num_embeddings, embedding_dim))
        self.weight = Parameter(draw.astype(dtype), name="weight")

    def forward(self, x: Any) -> Any:
        inside = check_index(x, self.weight.shape[0], wraps=False)
        return apply(OPS["gather"], self.weight, inside, axis=0)


class Residual(Module):
    """``x + module(x)``.

    Examples
    --------
    >>> import symnet as sn
    >>> block = sn.nn.Residual(sn.nn.Sequential(sn.nn.Linear(8, 8), sn.nn.ReLU()))
    >>> block(sn.Variable("x", ("batch", 8), "float32")).shape
    (batch, 8)

    References
    ----------
    He et al., Deep Residual Learning for Image Recognition, 2016.
    """

    def __init__(self, module: Module) -> None:
        self.module = module

    def forward(self, x: Any) -> Any:
        return ops.add(x, self.module(x))


class Sequential(Module):
    """Modules one after the other; `net[0]` is the first.

    Examples
    --------
    >>> import symnet as sn
    >>> net = sn.nn.Sequential(sn.nn.Linear(4, 3), sn.nn.ReLU(), sn.nn.Linear(3, 2))
    >>> sorted(net.named_parameters())
    ['layers.0.bias', 'layers.0.weight', 'layers.2.bias', 'layers.2.weight']
    """

    def __init__(self, *layers: Module) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)
