"""The update rules: what each subtracts from a Parameter, given its gradient."""

from __future__ import annotations

from typing import Any, Unpack

from .. import ops
from ..errors import ArgumentError
from .base import Optimizer, Options, ParameterState
from .clipping import Clipping
from .schedules import Rate

Betas = tuple[float, float]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Parameters
    ----------
    lr : float or schedule
    momentum : float
    weight_decay : float
        This times the Parameter is added to the gradient.
    nesterov : bool
        Look ahead along the momentum; needs one.
    clip_norm, clip_value : float, optional
        As for every :class:`Optimizer`.

    References
    ----------
    Polyak: Some methods of speeding up the convergence of iteration methods. 1964.
    Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning. ICML 2013.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter(1.0)
    >>> step = sn.compile(None, updates=sn.optim.SGD(lr=0.25)(w * w, [w]))
    >>> step()
    >>> w.value
    array(0.5)
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        **clipping: Unpack[Clipping],
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(options, clipping)

    def check(self, whose: str, options: Options) -> None:
        if options["nesterov"] and not options["momentum"]:
            raise ArgumentError(f"{whose}: nesterov is True and momentum is 0; expected a momentum > 0")

    def change(self, g: Any, state: ParameterState) -> Any:
        momentum = state.options["momentum"]
        if momentum:
            velocity = state.keep("momentum_buffer", momentum * state.kept("momentum_buffer") + g)
            g = g + momentum * velocity if state.options["nesterov"] else velocity
        return state.cast(state.lr) * g


class Adagrad(Optimizer):
    """Each element's rate falls with the sum of its squared gradients.

    Parameters
    ----------
    lr : float or schedule
    lr_decay : float
        The rate of step t, counted from 0, is divided by ``1 + t * lr_decay``.
    weight_decay : float
        This times the Parameter is added to the gradient.
    initial_accumulator_value : float
        Where the sums start.
    eps : float
    clip_norm, clip_value : float, optional
        As for every :class:`Optimizer`.

    References
    ----------
    Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization. JMLR 12, 2011.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter([1.0, 100.0])
    >>> sn.compile(None, updates=sn.optim.Adagrad(lr=0.5)(sn.sum(w * w), [w]))()
    >>> w.value
    array([ 0.5, 99.5])
    """

    def __init__(
        self,
        lr: Rate = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **clipping: Unpack[Clipping],
    ) -> None:
        own = {"lr_decay": lr_decay, "initial_accumulator_value": initial_accumulator_value, "eps": eps}
        super().__init__({"lr": lr, "weight_decay": weight_decay, **own}, clipping)

    def change(self, g: Any, state: ParameterState) -> Any:
        rate, decay = state.lr, state.options["lr_decay"]
        if decay:
            rate = rate / (1.0 + (state.step - 1.0) * decay)
        past = state.kept("sum", state.options["initial_accumulator_value"])
        total = state.keep("sum", past + g * g)
        return state.cast(rate) * g / (ops.sqrt(total) + state.options["eps"])


class RMSprop(Optimizer):
    """The gradient divided by the root of a moving average of its square.

    Parameters
    ----------
    lr : float or schedule
    alpha : float
        What the averages keep of the past.
    eps : float
    weight_decay : float
        This times the Parameter is added to the gradient.
    momentum : float
    centered : bool
        Divide by the gradient's standard deviation instead: the square of its moving average is subtracted.
        (A difference below 0, which only rounding makes, counts as 0.)
    clip_norm, clip_value : float, optional
        As for every :class:`Optimizer`.

    References
    ----------
    Tieleman, Hinton: Lecture 6.5 - RMSprop. COURSERA: Neural networks for machine learning, 2012.
    Graves: Generating sequences with recurrent neural networks. arXiv:1308.0850, 2013 (centered).

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter([1.0, 100.0])
    >>> sn.compile(None, updates=sn.optim.RMSprop(lr=0.5, alpha=0.75)(sn.sum(w * w), [w]))()
    >>> w.value.round(6)
    array([ 0., 99.])
    """

    def __init__(
        self,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        **clipping: Unpack[Clipping],
    ) -> None:
        own = {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
        super().__init__({"lr": lr, "weight_decay": weight_decay, **own}, clipping)

    def change(self, g: Any, state: ParameterState) -> Any:
        alpha, momentum = state.options["alpha"], state.options["momentum"]
        square = state.average("square_avg", g * g, alpha)
        if state.options["centered"]:
            mean = state.average("grad_avg", g, alpha)
            square = ops.maximum(square - mean * mean, 0.0)
        scaled = g / (ops.sqrt(square) + state.options["eps"])
        if momentum:
            scaled = state.keep("momentum_buffer", momentum * state.kept("momentum_buffer") + scaled)
        return state.cast(state.lr) * scaled


class Adam(Optimizer):
    """Moving averages of the gradient and of its square, corrected for starting at 0.

    Parameters
    ----------
    lr : float or schedule
    betas : tuple of two floats
        What the averages of the gradient and of its square keep of the past.
    eps : float
    weight_decay : float
        This times the Parameter is added to the gradient.
    amsgrad : bool
        Divide by the largest average of squares so far.
    clip_norm, clip_value : float, optional
        As for every :class:`Optimizer`.

    References
    ----------
    Kingma, Ba: Adam: a method for stochastic optimization. ICLR 2015.
    Reddi, Kale, Kumar: On the convergence of Adam and beyond. ICLR 2018 (amsgrad).

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter([1.0, 100.0])
    >>> sn.compile(None, updates=sn.optim.Adam(lr=0.5)(sn.sum(w * w), [w]))()
    >>> w.value.round(6)
    array([ 0.5, 99.5])
    """

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        **clipping: Unpack[Clipping],
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(options, clipping)

    def change(self, g: Any, state: ParameterState) -> Any:
        first, second = state.options["betas"]
        mean = state.average("exp_avg", g, first)
        square = state.average("exp_avg_sq", g * g, second)
        if state.options["amsgrad"]:
            square = state.keep("max_exp_avg_sq", ops.maximum(state.kept("max_exp_avg_sq"), square))
        # PyTorch's formula, its fraction multiplied by the root of the second correction: so the corrections
        # are numbers, computed once in float64, and an element needs one division.
        root = ops.sqrt(1.0 - second**state.step)
        size = state.cast(state.lr * root / (1.0 - first**state.step))
        return size * mean / (ops.sqrt(square) + state.cast(state.options["eps"] * root))


class AdamW(Adam):
    """Adam whose weight decay shrinks the Parameters directly, by ``lr * weight_decay``.

    Parameters
    ----------
    lr : float or schedule
    betas : tuple of two floats
        What the averages of the gradient and of its square keep of the past.
    eps : float
    weight_decay : float
    amsgrad : bool
        Divide by the largest average of squares so far.
    clip_norm, clip_value : float, optional
        As for every :class:`Optimizer`.

    References
    ----------
    Loshchilov, Hutter: Decoupled weight decay regularization. ICLR 2019.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter([1.0, 100.0])
    >>> sn.compile(None, updates=sn.optim.AdamW(lr=0.5, weight_decay=0.1)(sn.sum(w * w), [w]))()
    >>> w.value.round(6)
    array([ 0.45, 94.5 ])
    """

    decoupled = True

    def __init__(
        self,
        lr: Rate = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **clipping: Unpack[Clipping],
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, amsgrad, **clipping)


class Lion(Optimizer):
    """Every element moves by `lr`, in the direction of a moving average of the gradient.

    PyTorch has no Lion: names, defaults and formula are those of the paper's own program.

    Parameters
    ----------
    lr : float or schedule
    betas : tuple of two floats
        What the direction and what the average keep of the past.
    weight_decay : float
        The Parameters shrink directly, by ``lr * weight_decay``.
    clip_norm, clip_value : float, optional
        As for every :class:`Optimizer`.

    References
    ----------
    Chen et al.: Symbolic discovery of optimization algorithms. NeurIPS 2023.

    Examples
    --------
    >>> import symnet as sn
    >>> w = sn.Parameter([1.0, -100.0])
    >>> sn.compile(None, updates=sn.optim.Lion(lr=0.5)(sn.sum(w * w), [w]))()
    >>> w.value
    array([  0.5, -99.5])
    """

    decoupled = True

    def __init__(
        self,
        lr: Rate = 1e-4,
        betas: Betas = (0.9, 0.99),
        weight_decay: float = 0.0,
        **clipping: Unpack[Clipping],
    ) -> None:
        super().__init__({"lr": lr, "betas": betas, "weight_decay": weight_decay}, clipping)

    def change(self, g: Any, state: ParameterState) -> Any:
        first, second = state.options["betas"]
        direction = ops.sign(first * state.kept("exp_avg") + (1.0 - first) * g)
        state.average("exp_avg", g, second)
        return state.cast(state.lr) * direction
