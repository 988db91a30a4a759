"""The scalar vocabulary as LLVM instructions, for any number of lanes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

from symnet.errors import CompileError
from symnet.scalar import BITS, COMPARE, FLOATS

from .llvm_text import LLVM_TYPE, constant_text, numbers_in, splat_text, vector_text, vector_type
from .writer import Value, Writer

_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INT = {"add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr"}
_ORDERED = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_SIGNED = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_UNSIGNED = {"eq": "eq", "ne": "ne", "lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge"}
_INTRINSIC = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "rint": "roundeven"}
_FOLDED = {
    **{"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt},
    **{
        "ge": operator.ge,
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "and": operator.and_,
        "or": operator.or_,
    },
}


class Words:
    """Writes one word of the vocabulary as instructions of an emitter."""

    def __init__(self, emitter: Writer) -> None:
        self.emitter = emitter

    def word(self, op: str, operand: str, result: str, refs: list[str], lanes: int, depth: int) -> str:
        """Emit `op` on operands of dtype `operand`; the result's SSA name."""
        self.lanes, self.depth = lanes, depth
        known = _folded(op, operand, refs)
        if known is not None:
            return known
        if op in COMPARE:
            return self._compare(op, operand, refs)
        if op == "select":
            type = self.type(result)
            return self.put(f"select {self.type('bool')} {refs[0]}, {type} {refs[1]}, {type} {refs[2]}")
        if op == "cast":
            return self._cast(operand, result, refs[0])
        if op == "bitcast":
            return self.put(f"bitcast {self.type(operand)} {refs[0]} to {self.type(result)}")
        if op in ("min", "max"):
            return self._extremum(op, operand, *refs)
        if operand in FLOATS:
            return self._float(op, operand, refs)
        return self._integer(op, operand, refs)

    def put(self, text: str) -> str:
        return self.emitter.emit(text, self.depth)

    def type(self, dtype: str) -> str:
        return vector_type(LLVM_TYPE[dtype], self.lanes)

    def const(self, value: float, dtype: str) -> str:
        return splat_text(LLVM_TYPE[dtype], constant_text(value, dtype), self.lanes)

    def call(self, name: str, dtype: str, *refs: str) -> str:
        type = self.type(dtype)
        suffix = ("" if self.lanes == 1 else f"v{self.lanes}") + ("f" if dtype in FLOATS else "i") + str(BITS[dtype])
        return self.put(f"call {type} @llvm.{name}.{suffix}({', '.join(f'{type} {r}' for r in refs)})")

    def _compare(self, op: str, dtype: str, refs: list[str]) -> str:
        if dtype in FLOATS:
            return self.put(f"fcmp {_ORDERED[op]} {self.type(dtype)} {refs[0]}, {refs[1]}")
        table = _UNSIGNED if dtype == "bool" else _SIGNED
        return self.put(f"icmp {table[op]} {self.type(dtype)} {refs[0]}, {refs[1]}")

    def _extremum(self, op: str, dtype: str, a: str, b: str) -> str:
        """numpy's maximum and minimum: a NaN on either side is the result."""
        type, flag = self.type(dtype), self.type("bool")
        if dtype == "bool":
            return self.put(f"{'and' if op == 'min' else 'or'} {type} {a}, {b}")
        if dtype not in FLOATS:
            test = self.put(f"icmp {'slt' if op == 'min' else 'sgt'} {type} {a}, {b}")
            return self.put(f"select {flag} {test}, {type} {a}, {type} {b}")
        if not a.startswith("%"):
            a, b = b, a
        # With a NaN in either this compare is false and gives a: one instruction, right unless b is NaN.
        test = self.put(f"fcmp {'olt' if op == 'min' else 'ogt'} {type} {b}, {a}")
        chosen = self.put(f"select {flag} {test}, {type} {b}, {type} {a}")
        if not b.startswith("%"):
            return chosen
        unordered = self.put(f"fcmp uno {type} {b}, {b}")
        return self.put(f"select {flag} {unordered}, {type} {b}, {type} {chosen}")

    def _float(self, op: str, dtype: str, refs: list[str]) -> str:
        type = self.type(dtype)
        if op in _FLOAT:
            return self.put(f"{_FLOAT[op]} {type} {refs[0]}, {refs[1]}")
        if op == "neg":
            return self.put(f"fneg {type} {refs[0]}")
        if op in _INTRINSIC:
            return self.call(_INTRINSIC[op], dtype, refs[0])
        if op == "scale":
            return self._scale(dtype, *refs)
        if op in ("bfloat16", "pair", "dot"):
            return getattr(self, f"_{op}")(*refs)
        if op == "limit":
            return self._in_512_bits("range", dtype, *refs)
        if op == "fma":
            if self.emitter.target.has_fma:
                return self.call("fma", dtype, *refs)
            product = self.put(f"fmul {type} {refs[0]}, {refs[1]}")
            return self.put(f"fadd {type} {product}, {refs[2]}")
        raise CompileError(f"the word {op} is not defined for {dtype}")

    def _scale(self, dtype: str, x: str, n: str) -> str:
        """x * 2^n: one instruction, or two factors, since n reaches below and above the normal exponents."""
        if self.emitter.target.has_avx512:
            return self._in_512_bits("scalef", dtype, x, n)
        integer, mantissa, bias = ("int32", 23, 127) if dtype == "float32" else ("int64", 52, 1023)
        # A NaN has no integer: any will do, as x is NaN too.
        unsafe = self.put(f"fptosi {self.type(dtype)} {n} to {self.type(integer)}")
        word = self.put(f"freeze {self.type(integer)} {unsafe}")
        half = self._integer("ashr", integer, [word, self.const(1, integer)])
        for part in (half, self._integer("sub", integer, [word, half])):
            biased = self._integer("add", integer, [part, self.const(bias, integer)])
            bits = self._integer("shl", integer, [biased, self.const(mantissa, integer)])
            factor = self.put(f"bitcast {self.type(integer)} {bits} to {self.type(dtype)}")
            x = self._float("mul", dtype, [x, factor])
        return x

    def _rounded(self, x: str) -> str:
        """The bits of a float32 as bfloat16."""
        short = self.put(f"fptrunc {self.type('float32')} {x} to {vector_type('bfloat', self.lanes)}")
        bits = vector_type("i16", self.lanes)
        half = self.put(f"bitcast {vector_type('bfloat', self.lanes)} {short} to {bits}")
        return self.put(f"zext {bits} {half} to {self.type('pair')}")

    def _bfloat16(self, x: str) -> str:
        bits = self._integer("shl", "pair", [self._rounded(x), self.const(16, "pair")])
        return self.put(f"bitcast {self.type('pair')} {bits} to {self.type('float32')}")

    def _pair(self, x: str, y: str) -> str:
        high = self._integer("shl", "pair", [self._rounded(y), self.const(16, "pair")])
        return self._integer("or", "pair", [self._rounded(x), high])

    def _dot(self, a: str, b: str, total: str) -> str:
        type, whole, halves = self.type("float32"), self.type("pair"), f"<{2 * self.lanes} x bfloat>"
        pairs = [f"{halves} {self.put(f'bitcast {whole} {x} to {halves}')}" for x in (a, b)]
        name = f"@llvm.x86.avx512bf16.dpbf16ps.{32 * self.lanes}"
        return self.put(f"call {type} {name}({type} {total}, {', '.join(pairs)})")

    def lookup(self, numbers: Sequence[float], word: str, lanes: int, depth: int) -> str:
        """One of 16 numbers for each lane, by the low 4 bits of its word."""
        self.lanes, self.depth = lanes, depth
        table = ", ".join(f"float {constant_text(x, 'float32')}" for x in numbers)
        places = self._resized(word, "i32", lanes, 16)
        found = self.put(
            f"call <16 x float> @llvm.x86.avx512.permvar.sf.512(<16 x float> <{table}>, <16 x i32> {places})"
        )
        return self._resized(found, "float", 16, lanes)

    def _in_512_bits(self, name: str, dtype: str, a: str, b: str) -> str:
        """An instruction that exists for whole registers: fewer lanes are a part of one, more lanes fill several."""
        element, lanes = LLVM_TYPE[dtype], 512 // BITS[dtype]
        if self.lanes > lanes:
            return self._by_halves(name, dtype, a, b)
        type = vector_type(element, lanes)
        x, y = (f"{type} {self._resized(ref, element, self.lanes, lanes)}" for ref in (a, b))
        # The magnitude that is less, with the sign of the first.
        choice = ", i32 2" if name == "range" else ""
        rest = f"{type} zeroinitializer, i{lanes} -1, i32 4"
        suffix = "ps" if dtype == "float32" else "pd"
        found = self.put(f"call {type} @llvm.x86.avx512.mask.{name}.{suffix}.512({x}, {y}{choice}, {rest})")
        return self._resized(found, element, lanes, self.lanes)

    def _by_halves(self, name: str, dtype: str, a: str, b: str) -> str:
        whole, element = self.lanes, LLVM_TYPE[dtype]
        self.lanes = whole // 2
        halves = []
        for start in (0, self.lanes):
            x, y = (self._picked((ref, "poison"), element, whole, range(start, start + self.lanes)) for ref in (a, b))
            halves.append(self._in_512_bits(name, dtype, x, y))
        found = self._picked((halves[0], halves[1]), element, self.lanes, range(whole))
        self.lanes = whole
        return found

    def _picked(self, pair: tuple[str, str], element: str, lanes: int, places: Iterable[int]) -> str:
        """Some lanes of two vectors."""
        type, chosen = vector_type(element, lanes), [f"i32 {k}" for k in places]
        return self.put(
            f"shufflevector {type} {pair[0]}, {type} {pair[1]}, <{len(chosen)} x i32> <{', '.join(chosen)}>"
        )

    def _resized(self, ref: str, element: str, lanes: int, wanted: int) -> str:
        """The first lanes of a vector, or a vector of which they are the first."""
        if lanes == wanted:
            return ref
        if lanes == 1:
            return self.put(f"insertelement {vector_type(element, wanted)} poison, {element} {ref}, i64 0")
        if wanted == 1:
            return self.put(f"extractelement {vector_type(element, lanes)} {ref}, i64 0")
        # Lanes of the second vector have no value.
        return self._picked((ref, "poison"), element, lanes, [min(k, lanes) for k in range(wanted)])

    def _integer(self, op: str, dtype: str, refs: list[str]) -> str:
        type = self.type(dtype)
        if op in _INT:
            return self.put(f"{op} {type} {refs[0]}, {refs[1]}")
        if op == "not":
            return self.put(f"xor {type} {refs[0]}, {self.const(-1 if dtype != 'bool' else 1, dtype)}")
        if op == "neg":
            return self.put(f"sub {type} {self.const(0, dtype)}, {refs[0]}")
        if op == "abs":
            negative = self.put(f"icmp slt {type} {refs[0]}, {self.const(0, dtype)}")
            flipped = self.put(f"sub {type} {self.const(0, dtype)}, {refs[0]}")
            return self.put(f"select {self.type('bool')} {negative}, {type} {flipped}, {type} {refs[0]}")
        if op in ("floor", "ceil", "rint"):
            return refs[0]
        if op in ("floordiv", "mod"):
            return self._divide(op, dtype, *refs)
        raise CompileError(f"the word {op} is not defined for {dtype}")

    def _divide(self, op: str, dtype: str, a: str, b: str) -> str:
        """Floor division or remainder; 0 for a divisor 0, as numpy. x86 would trap there and on MIN // -1."""
        type, flag = self.type(dtype), self.type("bool")
        zero, one = self.const(0, dtype), self.const(1, dtype)
        by_zero = self.put(f"icmp eq {type} {b}, {zero}")
        by_minus = self.put(f"icmp eq {type} {b}, {self.const(-1, dtype)}")
        unsafe = self.put(f"or {flag} {by_zero}, {by_minus}")
        divisor = self.put(f"select {flag} {unsafe}, {type} {one}, {type} {b}")
        quotient = self.put(f"sdiv {type} {a}, {divisor}")
        rest = self.put(f"sub {type} {a}, {self.put(f'mul {type} {quotient}, {divisor}')}")
        differ = self.put(f"icmp slt {type} {self.put(f'xor {type} {rest}, {divisor}')}, {zero}")
        inexact = self.put(f"icmp ne {type} {rest}, {zero}")
        down = self.put(f"and {flag} {differ}, {inexact}")
        if op == "mod":
            moved = self.put(f"add {type} {rest}, {divisor}")
            return self.put(f"select {flag} {down}, {type} {moved}, {type} {rest}")
        lower = self.put(f"sub {type} {quotient}, {one}")
        floored = self.put(f"select {flag} {down}, {type} {lower}, {type} {quotient}")
        negated = self.put(f"sub {type} {zero}, {a}")
        result = self.put(f"select {flag} {by_minus}, {type} {negated}, {type} {floored}")
        return self.put(f"select {flag} {by_zero}, {type} {zero}, {type} {result}")

    def _cast(self, source: str, result: str, ref: str) -> str:
        before, after = self.type(source), self.type(result)
        if result == "bool":
            zero = self.const(0, source)
            test = "fcmp une" if source in FLOATS else "icmp ne"
            return self.put(f"{test} {before} {ref}, {zero}")
        if source in FLOATS and result in FLOATS:
            return self.put(f"{'fpext' if result == 'float64' else 'fptrunc'} {before} {ref} to {after}")
        if source in FLOATS:
            return self.put(f"fptosi {before} {self._inside(source, result, ref)} to {after}")
        if result in FLOATS and source == "bool":
            one, zero = self.const(1, result), self.const(0, result)
            return self.put(f"select {before} {ref}, {after} {one}, {after} {zero}")
        if result in FLOATS:
            return self.put(f"sitofp {before} {ref} to {after}")
        if BITS[result] < BITS[source]:
            return self.put(f"trunc {before} {ref} to {after}")
        return self.put(f"{'zext' if source == 'bool' else 'sext'} {before} {ref} to {after}")

    def _inside(self, source: str, result: str, ref: str) -> str:
        """A float that an integer dtype can hold: its least number for NaN and all that is outside."""
        type, end = self.type(source), 2.0 ** (BITS[result] - 1)
        least = self.const(-end, source)
        for test, bound in (("olt", self.const(end, source)), ("ogt", least)):
            flags = self.put(f"fcmp {test} {type} {ref}, {bound}")
            ref = self.put(f"select {self.type('bool')} {flags}, {type} {ref}, {type} {least}")
        return ref

    def horizontal(self, kind: str, dtype: str, value: Value, depth: int) -> str:
        """Combine the lanes of a vector, by halves: the order is fixed, so the result is too."""
        ref, lanes = value.ref, value.lanes
        op = {"add": "add", "mul": "mul", "max": "max", "min": "min", "and": "and", "or": "or"}[kind]
        self.depth = depth
        while lanes > 1:
            self.lanes = lanes
            type, half = self.type(dtype), lanes // 2
            low = ", ".join(f"i32 {k}" for k in range(half))
            high = ", ".join(f"i32 {k + half}" for k in range(half))
            a = self.put(f"shufflevector {type} {ref}, {type} poison, <{half} x i32> <{low}>")
            b = self.put(f"shufflevector {type} {ref}, {type} poison, <{half} x i32> <{high}>")
            lanes = half
            if lanes == 1:
                self.lanes = 2
                type = f"<1 x {self.type(dtype).split('x ')[1][:-1]}>"
                a = self.put(f"extractelement {type} {a}, i64 0")
                b = self.put(f"extractelement {type} {b}, i64 0")
            ref = self.word(op, dtype, dtype, [a, b], lanes, depth)
        return ref


def _folded(op: str, dtype: str, refs: list[str]) -> str | None:
    """The result of a word on integers or flags that are all known: LLVM would not see it through a loop."""
    if op not in _FOLDED or dtype not in ("bool", "int64"):
        return None
    vectors = [numbers_in(ref) for ref in refs]
    if op == "and" and dtype == "bool":
        for vector, other in zip(vectors, reversed(refs), strict=True):
            if vector is not None and all(vector):
                return other
    a, b = vectors
    if a is None or b is None:
        return None
    element = "i1" if dtype == "bool" or op in COMPARE else "i64"
    return vector_text(element, [int(_FOLDED[op](x, y)) for x, y in zip(a, b, strict=True)])
