"""A small transformer learns to write character by character, each place reading those before it.

Perplexity says among how many equally likely characters it chooses. The text is made by a grammar whose own
perplexity is known: the network must come close to it. The picture shows the way there, and where it is unsure.
"""

import numpy as np
from picture import BLUE, GREY, ORANGE, label, panels, save

import symnet as sn

rng = np.random.default_rng(0)
WHO, DOES = ["the cat", "a dog", "my uncle", "the queen"], ["sees", "greets", "follows", "paints"]
WHEN = ["at noon", "by the sea", "every day", "in silence"]
sentences = [" ".join(map(rng.choice, (WHO, DOES, WHO, WHEN))) + ". " for _ in range(1000)]
text = "".join(sentences)
letters = sorted(set(text))
numbers = np.array([letters.index(c) for c in text])
cut, WIDTH, LENGTH = len(text) * 9 // 10, 32, 48
layers = sn.nn.Sequential(sn.nn.Embedding(len(letters), WIDTH, rng=1), sn.nn.SinusoidalEncoding(WIDTH))
block = sn.nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, activation="gelu", norm_first=True, rng=2)
head = sn.nn.Sequential(sn.nn.LayerNorm(WIDTH), sn.nn.Linear(WIDTH, len(letters), rng=3))
x, y = (sn.Variable(name, ("batch", "places"), "int64") for name in "xy")
logits = head(block(layers(x), is_causal=True))
loss = sn.nn.cross_entropy(logits, y)
parameters = [p for part in (layers, block, head) for p in part.parameters()]
step = sn.compile(loss, updates=sn.optim.Adam(lr=5e-3)(loss, parameters))
measure, chances = sn.compile(loss), sn.compile(sn.softmax(logits))


def windows(starts):
    """The characters from each start on, and those that follow them."""
    rows = numbers[starts[:, None] + np.arange(LENGTH + 1)]
    return rows[:, :-1], rows[:, 1:]


unseen = windows(np.arange(cut, len(numbers) - LENGTH - 1, LENGTH))
curve = []
for number in range(501):
    if number % 20 == 0:
        curve.append(float(np.exp(measure(*unseen))))
    if number in (0, 100, 500):
        print(f"{number:3} steps: perplexity {curve[-1]:.2f}")
    step(*windows(rng.integers(0, cut - LENGTH, 16)))
best = 4 ** (4 / np.mean([len(s) for s in sentences]))
print(f"the grammar's own: {best:.2f} (four choices among four in a sentence); a guess: {len(letters)}")
assert curve[-1] < 1.3
sentence = "the queen follows a dog by the sea. my uncle"
found = chances(np.array([[letters.index(c) for c in sentence]]))[0]
unsure = np.exp(-(found * np.log(found)).sum(1))
figure, (left, right) = panels(2, width=5.2, height=3.8)
left.semilogy(range(0, 501, 20), curve, base=2, color=BLUE, label="the transformer, on text not seen")
left.set_yticks([1, 2, 4, 8, 16, 32], [1, 2, 4, 8, 16, 32])
left.axhline(best, color=GREY, linestyle=":", label="the grammar itself")
label(left, "Perplexity", "steps", "equally likely characters")
right.bar(range(1, len(sentence)), unsure[:-1], color=ORANGE)
right.set_xticks(range(len(sentence)), list(sentence), family="monospace", fontsize="x-small")
label(right, "Unsure only where the grammar chooses", "the next character", "equally likely characters")
save(figure)
