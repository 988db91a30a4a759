"""An LSTM reads a text letter by letter and guesses the next; what it cannot guess is what the dice decided.

The text is made by dice, so the best perplexity is known: exp(entropy of the dice / letters). The second half of a
sentence repeats what the first half says, so only who remembers it over a dozen letters comes close to the best.
"""

import numpy as np
from picture import BLUE, GREEN, GREY, ORANGE, label, panels, save

import symnet as sn

NAMES = "anna ben carl dora emil frida gustav hanna".split()
ANIMALS = "cat dog bird horse fish wolf bear goat".split()
rng = np.random.default_rng(0)
pairs = [(rng.choice(NAMES), rng.choice(ANIMALS) + rng.choice(["", "s"])) for _ in range(3200)]
told = [f"{name} sees {animal}, {name} fears {animal}. " for name, animal in pairs]
letters, codes = np.unique(list("".join(told)), return_inverse=True)
n, (text, test) = len(letters), np.split(codes, [-len("".join(told[3000:]))])
counts = np.bincount(text[:-1] * n + text[1:], minlength=n * n).reshape(n, n) + 1
alone, after = counts.sum(0) / counts.sum(), counts / counts.sum(1, keepdims=True)
found = {
    "how often a letter is": np.exp(-np.log(alone[test[1:]]).mean()),
    "the letter before": np.exp(-np.log(after[test[:-1], test[1:]]).mean()),
    "the dice": np.exp(200 * np.log(len(NAMES) * len(ANIMALS) * 2) / len(test)),
}

x, y = (sn.Variable(name, ("steps", "batch"), "int64") for name in "xy")
embed, lstm, head = sn.nn.Embedding(n, 16, rng=0), sn.nn.LSTM(16, 64, rng=1), sn.nn.Linear(64, n, rng=2)
surprise = -sn.sum(sn.log_softmax(head(lstm(embed(x))[0])) * sn.one_hot(y, n), axis=-1)
adam = sn.optim.Adam(lr=sn.optim.CosineAnnealingLR(0.01, 2400), clip_norm=1.0)
step = sn.compile(None, updates=adam(surprise.mean(), sn.nn.Sequential(embed, lstm, head).parameters()))
measure, curve = sn.compile(surprise), []  # training reads 100 letters at 32 places, this the whole test at once
for k in range(2401):
    run = text[rng.integers(len(text) - 100, size=32) + np.arange(101)[:, None]]
    step(run[:-1], run[1:])
    if k % 40 == 0:
        bits = measure(test[:-1, None], test[1:, None])[:, 0] / np.log(2)
        curve.append(2 ** bits.mean())
print("perplexity: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()) + f", LSTM {curve[-1]:.2f}")
assert curve[-1] < 1.01 * found["the dice"] and step.n_compiles == 1

ys, last = lstm(embed(x), [sn.Variable(name, (1, "batch", 64), "float32") for name in "hc"])
write = sn.compile([sn.softmax(head(ys[-1, 0]).astype("float64")), *last])
wrote, memory = [test[-1]], [np.zeros((1, 1, 64), "float32")] * 2
for _ in range(120):
    chances, *memory = write(np.array([wrote[-1:]]), *memory)
    wrote.append(rng.choice(n, p=chances))
print("it writes:", "".join(letters[wrote[1:]]))

figure, (left, right) = panels(2, width=5.4, height=3.8)
left.semilogy(np.arange(0, 2401, 40), curve, color=BLUE, label="LSTM")
for (name, value), color in zip(found.items(), (GREY, ORANGE, GREEN), strict=True):
    left.axhline(value, color=color, linestyle=":", label=name)
left.set_ylim(1, 150)
label(left, "Perplexity on a text not seen in training", "steps", "letters to choose from")
right.bar(range(42), bits[len(told[3000]) - 1 :][:42], color=BLUE)
right.set_xticks(range(42), letters[test[len(told[3000]) :][:42]], fontsize="small")
label(right, "Surprise at each letter: where the dice fall", "", "bits")
save(figure)
