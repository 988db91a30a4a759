"""onnxruntime: the row as an ONNX graph. It trains nothing and finds no gradients here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from ..workloads import EPSILON, Workload
from . import Program, thread_count


class Value:
    """A tensor of the graph that is being written."""

    def __init__(self, graph: Writer, name: str, shape: tuple[int, ...], dtype: np.dtype, array: Any = None) -> None:
        self.graph, self.name, self.shape, self.dtype, self.array = graph, name, shape, dtype, array

    def _with(self, op: str, other: Any) -> Value:
        if not isinstance(other, Value):
            other = self.graph.constant(np.asarray(other, self.dtype))
        return self.graph.node(op, [self, other], np.broadcast_shapes(self.shape, other.shape))

    def __add__(self, other: Any) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Any) -> Value:
        return self._with("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._with("Mul", other)

    __rmul__ = __mul__


class Writer:
    """Builds the graph; also the namespace of its ops."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: np.ndarray) -> Value:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return Value(self, name, array.shape, array.dtype, array)

    def node(
        self, op: str, inputs: list[Value], shape: Any, outputs: int = 1, which: int = 0, **attributes: Any
    ) -> Value:
        names = [f"node{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, [v.name for v in inputs], names, **attributes))
        return Value(self, names[which], tuple(shape), inputs[0].dtype)

    def exp(self, x: Value) -> Value:
        return self.node("Exp", [x], x.shape)

    def tanh(self, x: Value) -> Value:
        return self.node("Tanh", [x], x.shape)

    def sigmoid(self, x: Value) -> Value:
        return self.node("Sigmoid", [x], x.shape)

    def relu(self, x: Value) -> Value:
        return self.node("Relu", [x], x.shape)

    def softmax(self, x: Value) -> Value:
        return self.node("Softmax", [x], x.shape, axis=-1)

    def gelu(self, x: Value) -> Value:
        return self.node("Gelu", [x], x.shape, approximate="tanh")

    def linear(self, x: Value, w: Value, b: Value) -> Value:
        shape = (*x.shape[:-1], w.shape[1])
        return self.node("Gemm", [x, w, b], shape) if len(shape) == 2 else self.node("MatMul", [x, w], shape) + b

    def cross_entropy(self, z: Value, y: Value) -> Value:
        return self.node("SoftmaxCrossEntropyLoss", [z, y], (), reduction="mean")

    def conv2d(self, x: Value, k: Value, b: Value) -> Value:
        shape = (x.shape[0], k.shape[0], *x.shape[2:])
        return self.node("Conv", [x, k, b], shape, pads=[1, 1, 1, 1], kernel_shape=[3, 3])

    def max_pool(self, x: Value) -> Value:
        shape = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)
        return self.node("MaxPool", [x], shape, kernel_shape=[2, 2], strides=[2, 2])

    def flatten(self, x: Value) -> Value:
        return self.node("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])))

    def layer_norm(self, x: Value, gain: Value, bias: Value) -> Value:
        return self.node("LayerNormalization", [x, gain, bias], x.shape, axis=-1, epsilon=EPSILON)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self.node("Reshape", [x, self.constant(np.array(shape, np.int64))], shape)

    def transpose(self, x: Value, order: list[int]) -> Value:
        return self.node("Transpose", [x], [x.shape[k] for k in order], perm=order)

    def attention(self, q: Value, k: Value, v: Value, heads: int) -> Value:
        batch, positions, width = q.shape
        size = width // heads
        q, k, v = (
            self.transpose(self.reshape(t, (batch, positions, heads, size)), order)
            for t, order in ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3]))
        )
        scores = self.node("MatMul", [q, k], (batch, heads, positions, positions)) * (1 / math.sqrt(size))
        found = self.node("MatMul", [self.softmax(scores), v], (batch, heads, positions, size))
        return self.reshape(self.transpose(found, [0, 2, 1, 3]), (batch, positions, width))

    def lstm(self, x: Value, wx: Value, wh: Value, b: Value) -> Value:
        """ONNX orders the gates: input, output, forget, cell."""

        def ordered(array: np.ndarray) -> np.ndarray:
            i, f, g, o = np.split(array, 4, -1)
            return np.concatenate([i, o, f, g], -1)

        bias = np.concatenate([ordered(b.array), np.zeros_like(b.array)])
        weights = [self.constant(a[None]) for a in (ordered(wx.array).T, ordered(wh.array).T, bias)]
        batch, width = x.shape[1], wh.shape[0]
        found = self.node("LSTM", [x, *weights], (1, batch, width), outputs=3, which=1, hidden_size=width)
        return self.reshape(found, (batch, width))


def build(workload: Workload) -> Program | None:
    if workload.optimizer or workload.wrt:
        return None
    graph = Writer()
    p = {name: graph.constant(v) for name, v in workload.parameters.items()}
    inputs = [Value(graph, f"x{k}", a.shape, a.dtype) for k, a in enumerate(workload.batches[0])]
    value = workload.model(graph, p, *inputs)
    described, (out,) = (
        [helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for v in values]
        for values in (inputs, [value])
    )
    written = helper.make_graph(graph.nodes, "row", described, [out], graph.constants)
    model = helper.make_model(written, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = thread_count(), 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names, run = [v.name for v in inputs], session.run
    return Program(lambda *arrays: run(None, dict(zip(names, arrays, strict=True)))[0])
