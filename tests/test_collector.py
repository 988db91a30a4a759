"""The garbage collector is as it was after a program was compiled."""

import gc

import numpy as np
import pytest

import symnet as sn
from symnet import errors


@pytest.mark.parametrize("enabled", [True, False])
def test_compiling_leaves_the_collector_as_it_was(enabled: bool) -> None:
    x = sn.Variable("x")
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        sn.compile(x + 1)(np.ones(3))
        assert gc.isenabled() == enabled
        with pytest.raises(errors.ShapeError):
            sn.compile(x + np.ones(4))(np.ones(3))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()
