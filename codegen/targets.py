"""Targets: what the code generator knows about a processor, as records."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from symnet.errors import CompileError

from .processor import facts

# Lanes so many elements apart are loaded with all that lies between them; farther ones are gathered.
LARGEST_STRIDE = 4


@dataclass(frozen=True)
class Target:
    """A processor to generate code for.

    Attributes
    ----------
    name : str
    cpu, features : str
        As LLVM spells them.
    vector_bits : int
        Width of a vector register.
    tile_rows, tile_vectors : int
        Shape of a matrix product's register tile: rows by vectors. With the vectors of the other
        operand and one broadcast it must fit the register file.
    has_fma : bool
    has_gather : bool
        Whether vectors of addresses can be loaded from.
    has_avx512 : bool
        Whether one instruction multiplies 512 bits of floats by powers of two, limits them, or looks up 16 numbers.
    has_bf16 : bool
        Whether one instruction adds products of bfloat16 pairs to float32.
    l2_bytes : int
        Of the cache that one core has for itself.
    threads : int
        Threads that share a kernel which is large enough.
    """

    name: str
    cpu: str
    features: str
    vector_bits: int
    tile_rows: int
    tile_vectors: int
    has_fma: bool
    has_gather: bool
    has_avx512: bool
    has_bf16: bool = False
    l2_bytes: int = 1 << 20
    threads: int = 1

    def lanes(self, bits: int) -> int:
        """How many elements of so many bits fill a vector."""
        return self.vector_bits // max(bits, 32)


# 6 rows x 4 vectors of 32 registers, 6 x 2 of 16: measured best among their neighbours.
AVX512 = Target("avx512", "x86-64-v4", "", 512, 6, 4, has_fma=True, has_gather=True, has_avx512=True)
AVX2 = Target("avx2", "x86-64-v3", "", 256, 6, 2, has_fma=True, has_gather=True, has_avx512=False)
# 128-bit vectors without fused multiply-add: SSE4.2 on x86, NEON elsewhere.
_BASIC_CPU = "x86-64-v2" if platform.machine() in ("x86_64", "AMD64") else "generic"
PORTABLE = Target("portable", _BASIC_CPU, "", 128, 4, 2, has_fma=False, has_gather=False, has_avx512=False)


def host() -> Target:
    """The target of the processor this runs on."""
    cpu, text, _ = facts()
    features = set(text.split(","))
    if features.issuperset(("+avx512f", "+avx512vl", "+avx512bw", "+avx512dq")):
        text += ",-prefer-256-bit"
        pairs = "+avx512bf16" in features
        return Target(
            "host-avx512", cpu, text, 512, 6, 4, has_fma=True, has_gather=True, has_avx512=True, has_bf16=pairs
        )
    if features.issuperset(("+avx2", "+fma")):
        return Target("host-avx2", cpu, text, 256, 6, 2, has_fma=True, has_gather=True, has_avx512=False)
    return Target("host-portable", cpu, text, 128, 4, 2, has_fma=False, has_gather=False, has_avx512=False)


def find_target(name: str | None) -> Target:
    """The target of a name; None and "host" mean this processor.

    Raises
    ------
    CompileError
        There is no such target, or this processor cannot run it.
    """
    if name in (None, "host"):
        return host()
    for target in (AVX512, AVX2, PORTABLE):
        if target.name == name:
            if target.vector_bits > host().vector_bits:
                raise CompileError(f"the target {name} has instructions that this processor lacks")
            return target
    raise CompileError(f"unknown target {name!r}; expected host, avx512, avx2 or portable")
