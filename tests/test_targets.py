"""The other targets run the op harness too: a sample of its cases for each."""

from __future__ import annotations

import numpy as np
import pytest

import symnet as sn
from symnet.codegen.targets import host

from .cases import CASES, Case
from .test_ops import assert_close, variables

TARGETS = [name for name, bits in (("avx2", 256), ("portable", 128)) if host().vector_bits >= bits]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", [pytest.param(c, id=str(c)) for c in CASES])
def test_native_is_numpy(case: Case, target: str) -> None:
    dtype = "float32" if "float32" in case.dtypes else case.dtypes[0]
    arrays = case.operands(dtype, seed=1)
    with np.errstate(all="ignore"):
        wanted = np.asarray(case.call(*arrays))
    assert_close(sn.compile(case.call(*variables(arrays)), target=target)(*arrays), wanted, case)
