"""A one-layer causal transformer learns to write, character by character, sentences of a small grammar.

Its perplexity on sentences that it has not seen falls from about 30 to below 1.4.
"""

import numpy as np

import symnet as sn

rng = np.random.default_rng(0)
SUBJECTS = ["the cat", "a dog", "my uncle", "the queen", "one old bird"]
VERBS = ["sees", "greets", "follows", "forgets", "paints"]
ENDS = ["at noon", "by the sea", "every day", "in silence", "with great care"]
sentences = [" ".join(map(rng.choice, (SUBJECTS, VERBS, SUBJECTS, ENDS))) + ". " for _ in range(1500)]
text = "".join(sentences)
letters = sorted(set(text))
numbers = np.array([letters.index(c) for c in text])
train, test = numbers[: -len(text) // 10], numbers[-len(text) // 10 :]

WIDTH, LENGTH = 64, 64
embedding = sn.nn.Embedding(len(letters), WIDTH, rng=1)
places = sn.nn.SinusoidalEncoding(WIDTH)
layer = sn.nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, activation="gelu", norm_first=True, rng=2)
head = sn.nn.Sequential(sn.nn.LayerNorm(WIDTH), sn.nn.Linear(WIDTH, len(letters), rng=3))

x = sn.Variable("x", ("batch", "sequence"), "int64")
y = sn.Variable("y", ("batch", "sequence"), "int64")
logits = head(layer(places(embedding(x)), is_causal=True))
loss = sn.nn.cross_entropy(logits, y)
parameters = [p for part in (embedding, layer, head) for p in part.parameters()]
step = sn.compile(loss, updates=sn.optim.Adam(lr=3e-3)(loss, parameters))
evaluate = sn.compile(loss)
predict = sn.compile(sn.softmax(logits[:, -1]))


def windows(source, starts):
    """The characters from each start on, and those that follow them."""
    rows = source[starts[:, None] + np.arange(LENGTH + 1)]
    return rows[:, :-1], rows[:, 1:]


def perplexity():
    """Among how many equally likely characters the model chooses, on text that it has not seen."""
    return np.exp(evaluate(*windows(test, np.arange(0, len(test) - LENGTH, LENGTH))))


print(f"{len(text)} characters, {len(letters)} different; {sum(p.value.size for p in parameters)} numbers to learn")
print(f"perplexity before: {perplexity():.2f}")
for _ in range(400):
    step(*windows(train, rng.integers(0, len(train) - LENGTH, 16)))
# Four choices among five in a sentence: no model can do better.
best = 5 ** (4 / np.mean([len(s) for s in sentences]))
print(f"perplexity after:  {perplexity():.2f} (the grammar's own: {best:.2f}; a guess: {len(letters)})")

written = [letters.index(c) for c in "the queen "]
for _ in range(100):
    chances = predict(np.array([written[-LENGTH:]]))[0].astype(float)
    written.append(rng.choice(len(letters), p=chances / chances.sum()))
print("it writes:", "".join(letters[k] for k in written))
print("native compilations:", step.n_compiles, evaluate.n_compiles, predict.n_compiles)
