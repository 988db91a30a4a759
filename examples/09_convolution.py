"""Sobel's kernels find the edges of a picture: two kernels, compiled once for every height and width."""

import numpy as np

import symnet as sn

rows, columns = np.mgrid[-7:8, -11:12]
disc = ((rows / 6) ** 2 + (columns / 9) ** 2 < 1).astype("float32")  # a filled ellipse

across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")
sobel = np.stack([across, across.T])[:, None]  # (out, channels, kernel height, kernel width)

picture = sn.Variable("picture", shape=("n", 1, "height", "width"), dtype="float32")
edges = sn.compile(sn.conv2d(picture, sn.Constant(sobel), padding="same"))


def show(title: str, image: np.ndarray) -> None:
    """Print dark to light: - where the value is negative, # where it is positive."""
    print(title)
    for row in image:
        print("".join("-" if v < 0 else "#" if v > 0 else "." for v in row))


((vertical, horizontal),) = edges(disc[None, None])
show("picture", disc)
show("vertical edges (left #, right -)", vertical)
show("horizontal edges (top #, bottom -)", horizontal)

edges(np.ones((2, 1, 64, 48), "float32"))
print("sums of the edges:", abs(vertical).sum(), abs(horizontal).sum(), "compilations:", edges.n_compiles)
