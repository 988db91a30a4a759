"""Entropy is the surprise one expects, cross-entropy the surprise when one expected something else.

The difference is the Kullback-Leibler divergence: never negative, zero only for the true distribution, not symmetric.
"""

import numpy as np
from picture import BLUE, GREEN, ORANGE, label, panels, save

import symnet as sn

p = sn.Variable("p", shape=("rows", "n"), dtype="float64")
q = sn.Variable("q", shape=("rows", "n"), dtype="float64")
entropy = sn.entropy(p, axis=1)
cross_entropy = -sn.sum(p * sn.log(q), axis=1)
divergence = sn.sum(p * (sn.log(p) - sn.log(q)), axis=1)
measure = sn.compile([each / np.log(2) for each in (entropy, cross_entropy, divergence)])  # in bits


def bits(true, guessed):
    """The three numbers, in bits."""
    return [float(v[0]) for v in measure(np.array([true]), np.array([guessed]))]


coin, die = [0.5, 0.5], [1 / 8] * 8
print(f"entropy of a fair coin {bits(coin, coin)[0]:.2f} bit, of a die with eight sides {bits(die, die)[0]:.2f} bits")
weather, guess = [0.5, 0.25, 0.125, 0.125], [0.25] * 4
h, ce, kl = bits(weather, guess)
print(f"weather 1/2 1/4 1/8 1/8, guessed 1/4 each: H = {h:.2f}, cross-entropy = {ce:.2f}, KL = {kl:.2f} bits")
one, other = bits([0.9, 0.1], coin)[2], bits(coin, [0.9, 0.1])[2]
print(f"KL(0.9 0.1, 0.5 0.5) = {one:.3f}, KL(0.5 0.5, 0.9 0.1) = {other:.3f} bits")
assert np.allclose([h, ce, kl, one, other], [1.75, 2, 0.25, 0.531, 0.737], atol=5e-4)
assert np.isclose(bits(die, die)[0], 3) and abs(bits(coin, coin)[2]) < 1e-12
assert np.isclose(sn.kl_div(np.log([guess]), [weather]) / np.log(2), kl)  # the library's own, in nats

ticks = np.linspace(0.001, 0.999, 400)
coins = np.stack([ticks, 1 - ticks], axis=1)
true = np.full_like(coins, [0.7, 0.3])
figure, (left, right) = panels(2, width=4.4)
left.plot(ticks, measure(coins, coins)[0], color=BLUE)
label(left, "Entropy of a coin", "probability of heads", "bits")
h, ce, kl = measure(true, coins)
right.plot(ticks, ce, color=ORANGE, label="cross-entropy")
right.plot(ticks, h, color=BLUE, linestyle="--", label="entropy: what cannot be avoided")
right.plot(ticks, kl, color=GREEN, label="KL divergence: the difference")
right.plot([0.7, 0.7], [0, ce.min()], color="#999999", linestyle=":")
right.set_ylim(-0.1, 5)
label(right, "A coin of 0.7, guessed otherwise", "guessed probability of heads", "bits")
save(figure)
