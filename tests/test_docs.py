"""The Python of README, CONTRIBUTING and the tour runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = [
    pytest.param(block, id=f"{name}-{k}")
    for name in ("README.md", "CONTRIBUTING.md", "docs/tour.md")
    for k, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_block(block: str) -> None:
    exec(compile(block, "<documentation>", "exec"), {})
