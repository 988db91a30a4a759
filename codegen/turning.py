"""Squares of elements transposed in place, by a function that all kernels of a program share.

LLVM's time for a network of shuffles grows faster than its size, as it tries to combine them all: one square
is compiled in a few milliseconds, four of them inside a kernel in thirty. A fence behind each shuffle, which
is no instruction, ends the trying.
"""

from __future__ import annotations

import re

from .llvm_text import iota, mangled, vector_type


def name_of(element: str, lanes: int) -> str:
    """The name of the function that transposes squares of such elements."""
    return f"turn.{element}.{lanes}"


def called_turns(text: str) -> set[tuple[str, int]]:
    """The squares (element, lanes) that a kernel's text has transposed."""
    return {(element, int(lanes)) for element, lanes in re.findall(r"@turn\.(\w+)\.(\d+)\(", text)}


def turn_function(element: str, lanes: int) -> str:
    """The LLVM function that transposes a square.

    Its rows begin `pace` elements apart, `columns` elements of each and `rows` of them exist; what does not is
    not read. Its columns go to `to`, `step` elements apart. Pairs of rows exchange ever larger halves in
    registers. Of elements "pair" the rows hold float32 numbers, which are rounded: `pace` and `columns` count those.
    """
    is_paired = element == "pair"
    name, element, count = name_of(element, lanes), "float" if is_paired else element, lanes * (1 + is_paired)
    type, mask, size = vector_type(element, lanes), f"<{count} x i1>", 1
    loaded, wide = vector_type(element, count), f"<{count} x i64>"
    lines = [
        f"  %first = insertelement {wide} poison, i64 %columns, i64 0",
        f"  %all = shufflevector {wide} %first, {wide} poison, <{count} x i32> zeroinitializer",
        f"  %mask = icmp slt {wide} {iota(count)}, %all",
        "  %from0 = getelementptr i8, ptr %from, i64 0",
        "  %to0 = getelementptr i8, ptr %to, i64 0",
    ]
    for k in range(1, lanes):
        # Rows that do not exist repeat the last one.
        lines += [
            f"  %exists{k} = icmp sgt i64 %rows, {k}",
            f"  %pace{k} = select i1 %exists{k}, i64 %pace, i64 0",
            f"  %from{k} = getelementptr {element}, ptr %from{k - 1}, i64 %pace{k}",
            f"  %to{k} = getelementptr {element}, ptr %to{k - 1}, i64 %step",
        ]
    load, read = f"call {loaded} @llvm.masked.load.{mangled(element, count)}.p0", "read" if is_paired else "row"
    for k in range(lanes):
        lines.append(f"  %{read}{k} = {load}(ptr %from{k}, i32 1, {mask} %mask, {loaded} zeroinitializer)")
        if is_paired:
            lines += [
                f"  %short{k} = fptrunc {loaded} %read{k} to <{count} x bfloat>",
                f"  %row{k} = bitcast <{count} x bfloat> %short{k} to {type}",
            ]
    rows = [f"%row{k}" for k in range(lanes)]
    while size < lanes:
        low = [k if k // size % 2 == 0 else k - size + lanes for k in range(lanes)]
        high = [k + size if k // size % 2 == 0 else k + lanes for k in range(lanes)]
        for a in [k for k in range(lanes) if k // size % 2 == 0]:
            pair = f"{type} {rows[a]}, {type} {rows[a + size]}"
            rows[a], rows[a + size] = f"%low{size}.{a}", f"%high{size}.{a}"
            lines += _shuffled(rows[a], pair, low, element) + _shuffled(rows[a + size], pair, high, element)
        size *= 2
    lines += [f"  store {type} {row}, ptr %to{k}, align 1" for k, row in enumerate(rows)]
    parameters = "ptr %from, i64 %pace, i64 %rows, i64 %columns, ptr %to, i64 %step"
    head = f"define internal void @{name}({parameters}) #0 {{"
    return "\n".join([head, *lines, "  ret void", "}"])


def _shuffled(result: str, pair: str, places: list[int], element: str) -> list[str]:
    lanes, type = len(places), vector_type(element, len(places))
    shuffle = f"shufflevector {pair}, <{lanes} x i32> <{', '.join(f'i32 {k}' for k in places)}>"
    if element not in ("float", "double"):
        return [f"  {result} = {shuffle}"]
    fence = f"call {type} @llvm.arithmetic.fence.{mangled(element, lanes)}({type} {result}.free)"
    return [f"  {result}.free = {shuffle}", f"  {result} = {fence}"]
