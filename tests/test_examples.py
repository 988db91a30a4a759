"""Every example runs, and prints what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISED = {
    "01_first_graph.py": r"symbolic:   \[3\. 3\. 3\. 3\. 3\. 3\. 3\. 3\. 3\. 3\.\]",
    "02_gradients.py": r"-72, gradients -8 -4 18[\s\S]*step   0: loss 1\.312500 at",
    "03_regression.py": r"closed form: \d\.\de-(0[89]|1\d)[\s\S]*accuracy 0\.9[89]",
    "04_digits.py": r"test accuracy 0\.9[6789][\s\S]*step: 1",
    "05_look_inside.py": r"linear\(x, [\s\S]*log-softmax[\s\S]*net\.svg",
    "06_add_an_op.py": r"native:      \[-0\.66666667  0\.          0\.75",
    "07_add_a_pass.py": r"multiply\(x, x\)[\s\S]*square",
    "08_gates.py": r"w +-1 +0\nx \* y +-12 +2\n[\s\S]*agree",
    "09_convolution.py": r"vertical edges[\s\S]*##[\s\S]*--[\s\S]*horizontal edges[\s\S]*compilations: 1",
    "10_attention.py": r"before: [23]\d\.[\s\S]*after:  1\.[23]\d [\s\S]*compilations: 1 1 1",
}


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.py")))
def test_example(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert re.search(PROMISED[name], run.stdout), run.stdout
