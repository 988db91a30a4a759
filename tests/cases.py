"""What the op harness runs: for every op, calls with operands in every dtype it allows."""

from __future__ import annotations

from typing import Any

import numpy as np

import symnet as sn
from symnet.op import OPS, apply
from symnet.ops.smooth_activations import gelu_step

from .case import ALL, FLOATS, INTS, NUMBERS, Case
from .cases_matrices import LINALG, ORDER


def _unary(name: str, **more: Any) -> Case:
    return Case(name, getattr(sn, name), ((7, 9),), **more)


def _binary(name: str, **more: Any) -> list[Case]:
    call = getattr(sn, name)
    return [
        Case(name, call, ((7, 9), (7, 9)), **more),
        Case(name, call, ((7, 9), (9,)), label=f"{name}-row", **more),
        Case(name, call, ((5, 1), (1, 33)), label=f"{name}-outer", **more),
        Case(name, call, ((), (17,)), label=f"{name}-scalar", **more),
    ]


ELEMENTWISE = [
    *_binary("add", dtypes=ALL),
    *_binary("subtract", dtypes=NUMBERS),
    *_binary("multiply", dtypes=ALL),
    *_binary("divide", dtypes=ALL, domain=(0.5, 3.0)),
    *_binary("floor_divide", dtypes=NUMBERS, gradient=False, domain=(-9, 9)),
    *_binary("remainder", dtypes=NUMBERS, gradient=False, domain=(-9, 9)),
    *_binary("power", dtypes=FLOATS, ulp=4, domain=(0.5, 3.0)),
    Case("power", sn.power, ((40,), (40,)), INTS, domain=(0, 7), special=False, gradient=False, label="power-int"),
    *_binary("maximum", dtypes=ALL),
    *_binary("minimum", dtypes=ALL),
    *(
        case
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
        for case in _binary(name, dtypes=ALL, gradient=False)
    ),
    *(c for name in ("logical_and", "logical_or") for c in _binary(name, dtypes=ALL, gradient=False)),
    _unary("logical_not", dtypes=ALL, gradient=False),
    _unary("negative", dtypes=NUMBERS),
    _unary("abs", dtypes=ALL, domain=(0.2, 3.0)),
    _unary("sign", dtypes=NUMBERS, gradient=False),
    _unary("floor", dtypes=ALL, gradient=False),
    _unary("ceil", dtypes=ALL, gradient=False),
    _unary("exp", dtypes=NUMBERS, ulp=1.5),
    _unary("expm1", dtypes=NUMBERS, ulp=2),
    _unary("log", dtypes=NUMBERS, ulp=1.5, domain=(0.3, 4.0)),
    _unary("log1p", dtypes=NUMBERS, ulp=2, domain=(-0.7, 4.0)),
    *_binary("logaddexp", dtypes=NUMBERS, ulp=4, domain=(0.5, 3.0)),
    _unary("sqrt", dtypes=NUMBERS, domain=(0.3, 4.0)),
    _unary("rsqrt", dtypes=FLOATS, ulp=1.5, domain=(0.3, 4.0)),
    _unary("sin", dtypes=NUMBERS, ulp=1.5),
    _unary("cos", dtypes=NUMBERS, ulp=1.5),
    _unary("tanh", dtypes=NUMBERS, ulp=3),
    _unary("erf", dtypes=FLOATS, ulp=3),
    _unary("sigmoid", dtypes=FLOATS, ulp=4),
    _unary("softplus", dtypes=FLOATS, ulp=4),
    _unary("relu", dtypes=NUMBERS, domain=(0.2, 3.0)),
    _unary("softsign", ulp=1),
    _unary("silu", ulp=4),
    _unary("mish", ulp=8),
    # Below -1 the formula loses what 1 + erf(x) loses.
    _unary("gelu", ulp=12, domain=(-1.0, 3.0)),
    _unary("gelu", ulp=4000, label="gelu-left"),
    Case("gelu_step", gelu_step, ((7, 9),), ulp=24),
    Case("gelu_tanh", lambda x: sn.gelu(x, "tanh"), ((7, 9),), ulp=24),
    Case("heaviside", sn.heaviside, ((7, 9), (9,)), gradient=False),
    Case("heaviside", sn.heaviside, ((40,),), NUMBERS, gradient=False, label="heaviside-half"),
    Case("hardtanh", lambda x: sn.hardtanh(x, -0.5, 2), ((7, 9),), label="hardtanh-numbers"),
    Case("hardtanh", lambda x, a, b: sn.hardtanh(x, -abs(a), abs(b)), ((7, 9), (9,), ()), special=False),
    Case("hardtanh", sn.hard_sigmoid, ((7, 9),), NUMBERS, domain=(-9, 9), label="hard_sigmoid"),
    Case("prelu", sn.prelu, ((7, 9), (9,))),
    Case("prelu", sn.leaky_relu, ((7, 9),), NUMBERS, label="leaky_relu"),
    Case("elu", sn.elu, ((7, 9), (9,)), ulp=4),
    Case("elu", lambda x: sn.elu(x, 0.5), ((7, 9),), NUMBERS, ulp=4, label="elu-number"),
    Case("elu", sn.selu, ((7, 9),), ulp=5, label="selu"),
    Case("softplus", sn.log_sigmoid, ((7, 9),), ulp=4, label="log_sigmoid"),
    Case("where", sn.where, ((7, 9), (7, 9), (9,)), ALL, fixed=((0, "bool"),)),
    *(
        Case("cast", lambda x, d=d: sn.cast(x, d), ((40,),), ALL, special=False, gradient=False, label=f"cast-{d}")
        for d in ALL
    ),
    Case("identity", lambda x: apply(OPS["identity"], x, mark=None), ((3, 4),), ALL),
    Case("stop_gradient", sn.stop_gradient, ((3, 4),), ALL, gradient=False),
    Case(
        "custom_gradient",
        sn.custom_gradient(lambda g, y, a, b: (g * b, g * a))(lambda a, b: a * b),
        ((3, 4), (4,)),
        ALL,
    ),
]

_AXES: list[Any] = [None, 0, 1, -1, (0, 2), (0, 1, 2)]


def _reductions(name: str, **more: Any) -> list[Case]:
    call = getattr(sn, name)
    return [
        Case(
            name,
            lambda x, a=axis, k=keep, f=call: f(x, axis=a, keepdims=k),
            ((3, 5, 18),),
            label=f"{name}-{axis}-{keep}",
            **more,
        )
        for axis in _AXES
        for keep in (False, True)
    ]


REDUCTIONS = [
    *_reductions("sum", dtypes=ALL, relative=2e-6, special=False),
    *_reductions("mean", dtypes=NUMBERS, relative=2e-6, special=False),
    *_reductions("max", dtypes=ALL),
    *_reductions("min", dtypes=ALL),
    *_reductions("any", dtypes=ALL, gradient=False),
    *_reductions("all", dtypes=ALL, gradient=False),
    *_reductions("logsumexp", dtypes=FLOATS, relative=2e-6, special=False),
    *(
        Case(n, lambda x, a=a, f=getattr(sn, n): f(x, axis=a), ((4, 6, 5),), ALL, gradient=False, label=f"{n}-{a}")
        for n in ("argmax", "argmin")
        for a in (None, 0, 1, 2)
    ),
]

_PAIRS = [
    ((4, 5), (5, 6)), ((5,), (5,)), ((5,), (5, 6)), ((4, 5), (5,)), ((2, 4, 5), (2, 5, 3)), ((2, 1, 4, 5), (3, 5, 2)),
    ((7, 13), (13, 70)), ((1, 3), (3, 1)), ((2, 4, 5), (5, 3)),
]  # fmt: skip
CONTRACTIONS = [
    *(Case("matmul", sn.matmul, pair, ALL, relative=4e-6, special=False, label=f"matmul-{pair}") for pair in _PAIRS),
    *(
        Case(
            "linear",
            lambda x, w, b, a=a: sn.linear(x, w, b, activation=a),
            ((4, 5), (5, 6), (6,)),
            FLOATS,
            relative=4e-6,
            special=False,
            label=f"linear-{a}",
        )
        for a in (None, "relu", "sigmoid", "tanh")
    ),
]

MOVEMENT = [
    Case("reshape", lambda x: sn.reshape(x, (6, -1)), ((3, 4, 5),), ALL),
    Case("reshape", lambda x: sn.reshape(x * 2.0, (60,)) + 1.0, ((3, 4, 5),), label="reshape-inside"),
    *(
        Case("transpose", lambda x, a=a: sn.transpose(x, a), ((3, 4, 5),), ALL, label=f"transpose-{a}")
        for a in (None, (1, 0, 2), (0, 2, 1), (2, 0, 1))
    ),
    Case("broadcast_to", lambda x: sn.broadcast_to(x, (3, 4, 5)), ((4, 1),), ALL),
    Case("expand_dims", lambda x: sn.expand_dims(x, (0, 2)), ((3, 4),), ALL),
    Case("squeeze", lambda x: sn.squeeze(x, 1), ((3, 1, 4),), ALL),
    Case("squeeze", lambda x: sn.squeeze(x), ((1, 3, 1, 4),), ALL, label="squeeze-all"),
    Case("concatenate", lambda x, y: sn.concatenate([x, y, x], 1), ((3, 4), (3, 17)), ALL),
    Case("concatenate", lambda x, y: sn.stack([x, y], -1), ((3, 4), (3, 4)), ALL, label="stack"),
    Case("pad", lambda x: sn.pad(x, ((1, 2), (0, 3))), ((3, 4),), ALL),
]

_INDICES = np.array([[0, 3, -1], [2, 2, -4]])
_KEYS: dict[str, Any] = {
    "rows": np.s_[1:3],
    "column": np.s_[:, 2],
    "steps": np.s_[::2, ::-1],
    "negative": np.s_[-2:, 1:-1],
    "new": np.s_[None, ..., None],
    "element": np.s_[1, 2],
    "empty": np.s_[3:3],
}
INDEXING = [
    *(Case("getitem", lambda x, k=k: x[k], ((4, 5),), ALL, label=f"getitem-{n}") for n, k in _KEYS.items()),
    Case("embed", lambda x: apply(OPS["embed"], x, key=(("slice", 1, None, 2),), shape=(7, 5)), ((3, 5),), ALL),
    Case("gather", lambda x: sn.take(x, _INDICES, 0), ((4, 5),), ALL),
    Case("gather", lambda x: sn.take(x, _INDICES, 1), ((3, 4, 2),), ALL, label="gather-1"),
    Case(
        "scatter_add",
        lambda x, i: apply(OPS["scatter_add"], x, i, axis=0, shape=(6, 4)),
        ((5, 4), (5,)),
        (*FLOATS, *INTS),
        relative=2e-6,
        special=False,
        fixed=((1, np.array([0, 5, 2, 2, 0])),),
    ),
    Case(
        "check_index",
        lambda i: apply(OPS["check_index"], i, size=4),
        ((3,),),
        INTS,
        domain=(-4, 3),
        special=False,
        gradient=False,
    ),
    Case("dot", sn.dot, ((2, 3, 4), (4, 5)), ALL, relative=2e-6, special=False, label="dot-matrix"),
    Case("dot", sn.dot, ((), (2, 3)), ALL, relative=2e-6, special=False, label="dot-scalar"),
    Case("dot", sn.dot, ((4,), (4,)), ALL, relative=2e-6, special=False, label="dot-vectors"),
    Case("bitwise_and", sn.bitwise_and, ((3, 4), (4,)), ("bool", *INTS), gradient=False),
    Case("bitwise_or", sn.bitwise_or, ((3, 4), (4,)), ("bool", *INTS), gradient=False),
    Case("bitwise_xor", sn.bitwise_xor, ((3, 4), (4,)), ("bool", *INTS), gradient=False),
    Case("invert", sn.invert, ((3, 4),), ("bool", *INTS), gradient=False),
    Case("linear", sn.linear, ((4, 5), (5, 6), (6,)), INTS, gradient=False, label="linear-exact"),
    Case(
        "check_exponent", lambda b: apply(OPS["check_exponent"], abs(b)), ((3, 2),), ("int32", "int64"), special=False
    ),
    Case("one_hot", lambda i: sn.one_hot(i, 5), ((7,),), INTS, domain=(0, 4), special=False, gradient=False),
]

RANDOM = [
    *(
        Case("philox", lambda k, a, b, w=w: apply(OPS["philox"], k, a, b, word=w), shapes, ("int64",), gradient=False, label=f"philox-{w}-{n}")
        for w in range(4)
        for n, shapes in {"all": ((5, 7),) * 3, "one-key": ((), (3, 11), ()), "outer": ((4, 1), (1, 9), (9,))}.items()
    ),
    Case("counters", lambda n: apply(OPS["counters"], n, shape=(3, 1, 7)), ((),), ("int64",), gradient=False),
    Case("counters", lambda n: apply(OPS["counters"], n, shape=()) + n, ((),), ("int64",), gradient=False, label="counters-one"),
    Case("counters", lambda n: apply(OPS["counters"], n, shape=(0, 4)), ((),), ("int64",), gradient=False, label="counters-none"),
]  # fmt: skip


_LABELS = np.array([0, 3, 2, 2, 1])
NETWORK = [
    *(
        Case(o, lambda x, a=a, f=getattr(sn, n): f(x, a), ((5, 19),), FLOATS, relative=4e-6, special=False, label=f"{n}-{a}")
        for n, o in (("softmax", "softmax"), ("softmin", "softmax"), ("log_softmax", "log_softmax"))
        for a in (-1, 0)
    ),
    Case(
        "cross_entropy",
        lambda z: sn.cross_entropy(z, _LABELS),
        ((5, 4),),
        FLOATS,
        relative=4e-6,
        special=False,
    ),
]  # fmt: skip


def _pair(name: str, *more: Any, **options: Any) -> Case:
    """A loss before its mean is taken."""
    each = OPS[f"{name}_each"]
    return Case(each.name, lambda x, y: apply(each, x, y, *more), ((7, 9), (7, 9)), **options)


def _rows(x: Any) -> Any:
    return x / sn.sum(x, -1, True)


_PART = {"domain": (0.05, 0.95), "special": False}
_ONCE = {"relative": 4e-6, "special": False}
LOSSES = [
    _pair("huber", 0.75, ulp=2),
    Case("huber_each", lambda x, y, d: apply(OPS["huber_each"], x, y, d), ((7, 9), (7, 9), ()), ulp=4, special=False, domain=(0.3, 3), label="huber_each-delta"),
    _pair("hinge", ulp=1),
    _pair("binary_cross_entropy", ulp=8, **_PART),
    Case("binary_cross_entropy_with_logits_each", lambda z, y: apply(OPS["binary_cross_entropy_with_logits_each"], z * 8.0 - 4.0, y), ((7, 9), (7, 9)), ulp=8, **_PART),
    _pair("soft_nll", ulp=1),
    _pair("kl_div", ulp=24, **_PART),
    Case("x_log_x", lambda x: apply(OPS["x_log_x"], x), ((7, 9),), ulp=3, domain=(0.3, 3.0)),
    *(
        Case(name, getattr(sn, name), ((5, 4), (5, 4)), **_ONCE)
        for name in ("huber", "hinge")
    ),
    Case("binary_cross_entropy", sn.binary_cross_entropy, ((5, 4), (5, 4)), relative=4e-6, **_PART),
    Case("binary_cross_entropy_with_logits", sn.binary_cross_entropy_with_logits, ((9,), (9,)), **_ONCE),
    Case("kl_div", lambda z, p: sn.kl_div(sn.log_softmax(z), _rows(p)), ((5, 4), (5, 4)), relative=4e-6, **_PART),
    Case("x_log_x", lambda p: sn.entropy(_rows(p)), ((5, 4),), relative=4e-6, label="entropy", **_PART),
    Case("rsqrt", lambda a, b: sn.cosine_similarity(a, b, 0), ((5, 4), (5, 4)), label="cosine_similarity", **_ONCE),
    Case("nll_loss", lambda x: sn.nll_loss(x, _LABELS), ((5, 4),), **_ONCE),
    Case("cross_entropy", lambda z: sn.cross_entropy(z, _LABELS, 0.1), ((5, 4),), label="cross_entropy-smoothed", **_ONCE),
    Case("rsqrt", sn.layer_norm, ((5, 19), (19,), (19,)), label="layer_norm", **_ONCE),
    Case("rsqrt", sn.rms_norm, ((5, 19), (19,)), label="rms_norm", **_ONCE),
    Case("rsqrt", lambda x, a, b: sn.group_norm(x, 2, a, b), ((3, 4, 2, 3), (4,), (4,)), label="group_norm", **_ONCE),
    Case("soft_nll", lambda z, p: sn.cross_entropy(z, sn.softmax(p), 0.1), ((5, 4), (5, 4)), label="cross_entropy-soft", **_ONCE),
]  # fmt: skip


_ONE = {"stride": (1, 1), "dilation": (1, 1), "padding": ((1, 1), (0, 0)), "groups": 1}
_TWO = {"stride": (2, 1), "dilation": (1, 2), "padding": ((1, 1), (2, 2)), "groups": 2}
_SUMS: dict[str, Any] = {"relative": 4e-6, "special": False}
_CONV_SETTINGS: list[dict[str, Any]] = [
    {}, {"padding": 1}, {"stride": (2, 3), "padding": (1, 2)}, {"padding": "same", "dilation": 2},
    {"groups": 2, "dilation": (2, 1), "padding": "valid"},
]  # fmt: skip
_PICTURES = (2, 4, 7, 19)
CONVOLUTIONS = [
    *(
        Case(
            "conv2d",
            lambda x, w, *b, kw=kw: sn.conv2d(x, w, *b, **kw),
            (_PICTURES, (6, 4 // kw.get("groups", 1), 3, 2), (6,)),
            NUMBERS,
            label=f"conv2d-{kw}",
            **_SUMS,
        )
        for kw in _CONV_SETTINGS
    ),
    Case("conv2d", lambda x, w: sn.conv2d(x, w, groups=4), (_PICTURES, (4, 1, 1, 1)), NUMBERS, label="conv2d-deep", **_SUMS),
    Case("conv1d", sn.conv1d, ((2, 3, 37), (5, 3, 4), (5,)), NUMBERS, **_SUMS),
    Case("conv1d", lambda x, w: sn.conv1d(x, w, None, 3, 2), ((2, 1, 9), (1, 1, 3)), NUMBERS, label="conv1d-plain", **_SUMS),
    *(
        Case(
            "conv_transpose2d",
            lambda x, w, b, kw=kw: sn.conv_transpose2d(x, w, b, **kw),
            ((2, 4, 5, 6), (4, 6 // kw.get("groups", 1), 3, 2), (6,)),
            NUMBERS,
            label=f"conv_transpose2d-{kw}",
            **_SUMS,
        )
        for kw in [
            {},
            {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)},
            {"groups": 2, "dilation": 2, "output_padding": 1},
        ]
    ),
    Case("conv_transpose1d", lambda x, w: sn.conv_transpose1d(x, w, stride=2), ((2, 3, 9), (3, 2, 4)), NUMBERS, **_SUMS),
    *(
        Case(
            "conv_weight2d",
            lambda x, y, a=attrs: apply(OPS["conv_weight2d"], x, y, **a, kernel=(3, 2)),
            (_PICTURES, shape),
            NUMBERS,
            label=f"conv_weight2d-{attrs['groups']}",
            **_SUMS,
        )
        for attrs, shape in [(_ONE, (2, 5, 7, 18)), (_TWO, (2, 6, 4, 21))]
    ),
    Case(
        "conv_weight1d",
        lambda x, y: apply(OPS["conv_weight1d"], x, y, stride=(1,), dilation=(1,), padding=((1, 0),), groups=1, kernel=(3,)),
        ((3, 2, 40), (3, 4, 39)),
        NUMBERS,
        **_SUMS,
    ),
]  # fmt: skip

_WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (2, 3), "stride": 1, "padding": (1, 0)},
    {"kernel_size": (1, 2), "stride": 3}, {"kernel_size": 1},
]  # fmt: skip
_POOL = {"kernel": (3, 2), "stride": (2, 2), "padding": (1, 0)}
_POSITIONS = apply(OPS["max_pool_index"], np.random.default_rng(0).standard_normal(_PICTURES), **_POOL)
POOLING = [
    *(Case("max_pool2d", lambda x, kw=kw: sn.max_pool2d(x, **kw), (_PICTURES,), NUMBERS, label=f"max_pool2d-{kw}") for kw in _WINDOWS),
    Case("max_pool1d", lambda x: sn.max_pool1d(x, 3, 2, 1), ((2, 3, 40),), NUMBERS),
    *(Case("avg_pool2d", lambda x, kw=kw: sn.avg_pool2d(x, **kw), (_PICTURES,), ALL, label=f"avg_pool2d-{kw}", **_SUMS) for kw in _WINDOWS),
    Case("avg_pool1d", lambda x: sn.avg_pool1d(x, 3, 2, 1), ((2, 3, 40),), ALL, **_SUMS),
    Case("max_pool_index", lambda x: apply(OPS["max_pool_index"], x, **_POOL), (_PICTURES,), NUMBERS, gradient=False),
    Case(
        "max_pool_spread",
        lambda g, p: apply(OPS["max_pool_spread"], g, p, size=(7, 19), **_POOL),
        (_POSITIONS.shape, _POSITIONS.shape),
        NUMBERS,
        fixed=((1, _POSITIONS),),
        **_SUMS,
    ),
    Case(
        "max_pool_pick",
        lambda x, p: apply(OPS["max_pool_pick"], x, p, size=(7, 19), **_POOL),
        (_PICTURES, _POSITIONS.shape),
        NUMBERS,
        fixed=((1, _POSITIONS),),
    ),
    Case(
        "avg_pool_spread",
        lambda g: apply(OPS["avg_pool_spread"], g, size=(7, 19), **_POOL),
        (_POSITIONS.shape,),
        ALL,
        **_SUMS,
    ),
    Case("global_avg_pool2d", sn.global_avg_pool2d, (_PICTURES,), ALL, **_SUMS),
    Case("global_avg_pool1d", sn.global_avg_pool1d, ((2, 3, 19),), ALL, **_SUMS),
    Case("upsample", lambda x: sn.upsample(x, 2), (_PICTURES,), ALL),
    Case("upsample", lambda x: sn.upsample(x, (3, 1)), (_PICTURES,), ALL, label="upsample-rows"),
]  # fmt: skip


def _running(x: Any, h: Any) -> Any:
    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = sn.tanh(x) + h * 0.5
        return h, h

    return sn.scan(step, h, x)


LOOPS = [
    Case("scan", lambda x, h: _running(x, h)[1], ((5, 3, 4), (3, 4)), FLOATS, relative=4e-6, special=False),
    Case(
        "scan",
        lambda x, h: _running(x, h)[0],
        ((5, 3, 4), (3, 4)),
        FLOATS,
        relative=4e-6,
        special=False,
        label="scan-last",
    ),
    Case(
        "scan",
        lambda x: sn.scan(lambda s, e: (s + e, s), x[0], x)[1],
        ((6, 4),),
        INTS,
        gradient=False,
        label="scan-exact",
    ),
    Case("scan", lambda x: sn.scan(lambda s, e: (s ^ e, s), x[0], x)[1], ((6, 4),), ("bool",), label="scan-bool"),
]


# Its second row and its fourth column are all closed.
_OPEN = (np.add.outer(np.arange(5), np.arange(19)) % 3 > 0) & (np.arange(5) != 1)[:, None] & (np.arange(19) != 3)
_ADDED = np.where(_OPEN, np.float32(0.25), np.float32(-np.inf))
ATTENTION = [
    *(
        Case("masked_softmax", lambda x, a=a: apply(OPS["masked_softmax"], sn.where(_OPEN, x, -np.inf), axis=a), ((5, 19),), label=f"masked_softmax-{a}", **_ONCE)
        for a in (-1, 0)
    ),
    *(
        Case("masked_softmax", lambda q, k, v, m=m: sn.scaled_dot_product_attention(q, k, v, m, is_causal=m is None), ((2, 5, 4), (2, 19, 4), (2, 19, 3)), label=f"attention-{n}", **_ONCE)
        for n, m in (("causal", None), ("bools", _OPEN), ("floats", _ADDED))
    ),
    Case("matmul", lambda a, b: sn.einsum("bqhd,bkhd->bhqk", a, b), ((2, 3, 2, 5), (2, 4, 2, 5)), ALL, label="einsum-heads", **_ONCE),
    Case("matmul", lambda a, b: sn.einsum("iijk,...kl", a, b), ((3, 3, 2, 5), (5, 4)), ALL, label="einsum-diagonal", **_ONCE),
    Case("matmul", lambda a, b: sn.tensordot(a, b, ((0, 2), (2, 1))), ((2, 3, 5), (4, 5, 2)), ALL, label="tensordot", **_ONCE),
    Case("multiply", sn.outer, ((2, 3), (4,)), ALL, label="outer"),
    Case("diagonal", lambda x: apply(OPS["diagonal"], x, axis1=0, axis2=1), ((4, 4),), ALL),
    Case("diagonal", lambda x: apply(OPS["diagonal"], x, axis1=-1, axis2=1), ((2, 4, 3, 4),), ALL, label="diagonal-4"),
    Case("where", lambda x: sn.tril(x, 1), ((2, 3, 5),), ALL, label="tril"),
    Case("where", lambda x: sn.triu(x, -1), ((5, 3),), ALL, label="triu"),
    Case("roll", lambda x: sn.roll(x, (1, -7), (0, -1)), ((3, 5),), ALL),
    Case("getitem", lambda x: sn.flip(x, 0), ((3, 5),), ALL, label="flip"),
    *(
        Case("positions", lambda x, a=a: apply(OPS["positions"], x, axis=a), ((3, 4, 5),), ALL, gradient=False, label=f"positions-{a}")
        for a in (0, 1, -1)
    ),
    # Of a square, where a value of each row looks like one of each column.
    Case("sum", lambda x, w: sn.sum(x * 2, 1) * w, ((5, 5), (5, 5)), label="sum-across", **_ONCE),
    Case("sum", lambda x, w: sn.broadcast_to(sn.sin(sn.sum(x * 2, 1))[None], (5, 5)) * w, ((5, 5), (5, 5)), label="sum-broadcast-across", **_ONCE),
]  # fmt: skip


CASES: list[Case] = [
    *ELEMENTWISE,
    *REDUCTIONS,
    *CONTRACTIONS,
    *MOVEMENT,
    *INDEXING,
    *ORDER,
    *LINALG,
    *RANDOM,
    *NETWORK,
    *LOSSES,
    *CONVOLUTIONS,
    *POOLING,
    *LOOPS,
    *ATTENTION,
]
