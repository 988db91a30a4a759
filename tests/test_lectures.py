"""Every program of the lecture companion runs, prints the lecture's numbers and draws its picture."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

LECTURES = Path(__file__).parent.parent / "examples" / "lectures"
PROMISED = {
    "01_two_approaches.py": r"symbolic:   \[3\. 3\. 3\. 3\. 3\. 3\. 3\. 3\. 3\. 3\.\][\s\S]*imperative / symbolic = ",
    "02_perceptron_and_xor.py": r"AND: .* last 0: [\s\S]*XOR: .* last [1-4]: [\s\S]*two layers: \[0\. 1\. 1\. 0\.\]",
    "03_linear_regression.py": r"closed form     (y = \S+ x \+ \S+)\n.*descent      \1, [\s\S]*MAE.* y = 1\.9\d\d x",
    "04_logistic_regression.py": r"0\.6931 = ln 2[\s\S]*accuracy 0\.8[78]\d[\s\S]*0\.01: cost 4\.61",
    "05_linear_of_linear.py": r"as written: 3[\s\S]*optimised: 1 [\s\S]*linear\(x, [\s\S]*with ReLU, optimised: 3 ",
    "06_activations.py": r"sigmoid +0\.119 +0\.378 +0\.881 +0\.105 +0\.235 +0\.105\n[\s\S]*sigmoid: 0\.25\n",
    "07_sigmoid_paralysis.py": r"sigmoid .* 1e-01\n.*loss 0\.69\d -> 0\.69\d\nReLU [\s\S]*-> 0\.0\d\d\n[\s\S]*9\.5e-07",
    "08_universal_approximation.py": r"3 hidden .* 0\.1\d+\n.*6 hidden .* 0\.00\d+\n.*20 hidden .* 0\.0000",
    "09_softmax.py": r"\[0\.71 0\.26 0\.04\][\s\S]*\[nan nan  0\.\][\s\S]*\[0\.73105858 [\s\S]*-inf\][\s\S]*-800\.\]",
    "10_entropy.py": r"H = 1\.75, cross-entropy = 2\.00, KL = 0\.25 bits[\s\S]*0\.531[\s\S]*0\.737",
    "11_nll.py": r"0\.90   0\.105\n.*0\.80   0\.223\n.*0\.03   3\.507\n.*0\.70   0\.357\n.*0\.01512, .*4\.192, .*1\.048",
    "12_chain_rule.py": r"x +10 +-8\ny +-2 +-4\nz +-4 +18\n2x +20 +-4\n2x \+ y +18 +-4\n.* -72 +1\n",
    "13_gradient_descent.py": r"0\.01: loss 1\.3125[\s\S]*0\.15: loss 1\.3125 .*0\.0000 after[\s\S]*0\.21: .*14\.1435 after",
    "14_local_minima.py": r"0\.517, at rest[\s\S]*-0\.165, at rest[\s\S]*still moving",
    "15_mini_batches.py": r"all 120 .* 15 steps[\s\S]*of 12 .*150 steps[\s\S]*closed form .*0\.259",
    "16_cost_of_gradient.py": r"137,217[\s\S]*backward: [12]\.\d times[\s\S]*137,218 times",
    "17_softplus.py": r"difference 0\.0106\nx = 0: sum 0\.6826, softplus 0\.6931",
    "18_digits.py": r"epoch 30: .*test accuracy 0\.9[5-9]",
    "19_char_lstm.py": r"the letter before 3\.96, the dice 1\.15, LSTM 1\.1\d\nit writes: [a-z., ]{120}",
    "20_closed_form.py": r"natively: w = (\[.*\]) .*\n.*lstsq: +w = \1\n[\s\S]*penalty 2\.42\d\n.* -> 0\.119 at the penalty 0\.029",
    "21_dropout.py": r"dropout 0\.0: training loss 0\.0.* accuracy 1\.000, test loss 0\.[45].*\ndropout 0\.7: .*test loss 0\.[23]",
    "22_convolutional_digits.py": r"epoch 15: test accuracy (0\.9[89]\d|1\.000)\n.* \d+ -> \d+ nodes, the same answers: True",
    "23_transformer.py": r"  0 steps: perplexity 30\.[\s\S]*500 steps: perplexity 1\.2\d\n.*own: 1\.18 ",
}


def test_every_program_is_in_the_list() -> None:
    programs = sorted(p.name for p in LECTURES.glob("[0-9]*.py"))
    listed = re.findall(r"`(\d\d_\w+\.py)` \|", (LECTURES / "README.md").read_text(encoding="utf-8"))
    assert programs == sorted(PROMISED) == listed


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_program(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(LECTURES / name), "pictures"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"},
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr, run.stderr
    assert re.search(PROMISED[name], run.stdout), run.stdout
    picture = tmp_path / "pictures" / f"{Path(name).stem}.png"
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_program_is_short_and_says_its_idea(name: str) -> None:
    text = (LECTURES / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert text.startswith('"""')
