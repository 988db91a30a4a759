"""Softmax turns scores into probabilities, and exp of a large score overflows unless the maximum is taken out first.

Trick one is softmax(x) = softmax(x - max x), trick two is log softmax(x) = x - log sum exp x; the compiler finds both
in the formula as it is written, and a pipeline without the pass `stabilize` shows what happens else.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn
from symnet.passes import PIPELINE, stabilize

x = sn.Variable("x", shape=("n",), dtype="float64")
e = sn.exp(x)
softmax = e / sn.sum(e)  # the formula of the blackboard
log_softmax = sn.log(softmax)

AS_WRITTEN = [step for step in PIPELINE if step is not stabilize]
plain = sn.compile([softmax, log_softmax], pipeline=AS_WRITTEN)
stable = sn.compile([softmax, log_softmax])

p = stable(np.array([5.0, 4.0, 2.0]))[0]
print("softmax([5, 4, 2]) =", np.round(p, 2))
assert np.allclose(p, [0.71, 0.26, 0.04], atol=0.005) and np.allclose(p, plain(np.array([5.0, 4.0, 2.0]))[0])

large, far = np.array([1000.0, 999.0, 0.0]), np.array([0.0, -800.0])
with np.errstate(all="ignore"):
    print("softmax([1000, 999, 0]), as written:", plain(large)[0])
    print("softmax([1000, 999, 0]), stable:    ", stable(large)[0])
    print("log softmax([0, -800]), as written:", plain(far)[1])
    print("log softmax([0, -800]), stable:    ", stable(far)[1])
    assert np.isnan(plain(large)[0][:2]).all() and plain(far)[1][1] == -np.inf
assert np.allclose(stable(large)[0], [0.73105858, 0.26894142, 0]) and stable(far)[1][1] == -800
print("rules that made it stable:", *stable.report.passes[0].fired)

figure, (left, right) = panels(2, width=4.4)
places, bars = np.arange(3), ("5", "4", "2")
left.bar(places, p, color=[BLUE, ORANGE, GREY], tick_label=bars)
for place, probability in zip(places, p, strict=True):
    left.text(place, probability + 0.01, f"{probability:.2f}", ha="center")
label(left, "softmax([5, 4, 2])", "score", "probability")
scores = np.arange(0, 1001, 5.0)
with np.errstate(all="ignore"):
    logs = [[f(np.array([0.0, -score]))[1][1] for score in scores] for f in (stable, plain)]
right.plot(scores, logs[0], color=BLUE, label="stable: -x")
right.plot(scores, logs[1], color=ORANGE, linewidth=5, alpha=0.5, label="as written: ln 0 beyond 745")
label(right, "log softmax([0, -x]), second", "x", "log of the probability")
save(figure)
