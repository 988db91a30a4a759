"""Training: what the loop computes, measures, keeps and refuses."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnet as sn
from symnet.train import Callback, Checkpoint, EarlyStopping, History, Trainer

ENDINGS = ["npz", "safetensors"]


def network(hidden: int = 16, seed: int = 0, inputs: int = 64, outputs: int = 10) -> sn.nn.Sequential:
    first, last = sn.nn.Linear(inputs, hidden, rng=seed), sn.nn.Linear(hidden, outputs, rng=seed + 1)
    return sn.nn.Sequential(first, sn.nn.ReLU(), last)


def classifier(optimizer: Any = None, hidden: int = 16, **options: Any) -> Trainer:
    return Trainer(network(hidden), sn.nn.cross_entropy, optimizer or sn.optim.Adam(lr=0.01), **options)


def line(**options: Any) -> Trainer:
    """One weight and one bias."""
    return Trainer(sn.nn.Linear(1, 1, rng=0), sn.nn.mse, sn.optim.SGD(lr=0.1), **options)


RNG = np.random.default_rng(3)
X, Y = RNG.random((70, 64)).astype(np.float32), RNG.integers(0, 10, 70)
U = np.linspace(-1, 1, 20)[:, None]


def state(trainer: Trainer) -> dict[str, np.ndarray]:
    assert trainer.programs is not None
    kept = {str(k): p.value.copy() for k, p in enumerate(trainer.programs.state)}
    return {**trainer.model.state_dict(), **kept}


def equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(one[n].tobytes() == other[n].tobytes() for n in one)


# -- the loop ------------------------------------------------------------------------------------


def test_digits_to_an_accuracy() -> None:
    pytest.importorskip("sklearn")
    digits = sn.data.digits()
    trainer = classifier(hidden=32, metrics=["accuracy", "f1", "confusion_matrix"])
    held = (digits.x_test, digits.y_test)
    history = trainer.fit(digits.x_train, digits.y_train, epochs=15, validation=held, progress=False)
    assert history["val_accuracy"][-1] >= 0.95 and history["loss"][-1] < history["loss"][0] / 10
    found = trainer.evaluate(*held)
    assert found["accuracy"] == history["val_accuracy"][-1] and found["f1"] >= 0.95
    assert found["confusion_matrix"].sum() == len(digits.y_test)
    scores = trainer.predict(digits.x_test)
    assert scores.shape == (359, 10) and (scores.argmax(1) == digits.y_test).mean() == found["accuracy"]
    assert trainer.programs is not None and trainer.programs.watched_step.n_compiles == 1
    assert history["samples_per_second"][-1] > 0 and trainer.epoch == 15 and history.epochs == list(range(1, 16))


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_fit_is_the_loop_written_by_hand(shuffle: bool) -> None:
    trainer, net = classifier(), network()
    history = trainer.fit(X, Y, epochs=3, batch_size=32, shuffle=shuffle, seed=5, progress=False)
    x, y = sn.Variable("x", ("batch", 64), "float32"), sn.Variable("y", ("batch",), "int64")
    loss = sn.nn.cross_entropy(net(x), y)
    step = sn.compile(loss, updates=sn.optim.Adam(lr=0.01)(loss, net.parameters()))
    rng = np.random.default_rng(5) if shuffle else None
    for _ in range(3):
        losses = [(float(step(xb, yb)), len(xb)) for xb, yb in sn.data.batches([X, Y], 32, rng)]
    assert equal(trainer.model.state_dict(), net.state_dict())
    assert history["loss"][-1] == pytest.approx(sum(v * n for v, n in losses) / 70, rel=1e-6)


def test_metrics_in_training_see_each_sample_with_its_own_target() -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    still = Trainer(
        network(), sn.nn.cross_entropy, sn.optim.SGD(lr=0.0), {"kept": lambda t, o: seen.append((t, o)) or 1.0}
    )
    still.fit(X, Y, batch_size=32, progress=False)
    np.testing.assert_array_equal(seen[0][0], Y)
    np.testing.assert_allclose(seen[0][1], still.predict(X), rtol=1e-5, atol=1e-6)


def test_data_is_not_copied_where_it_need_not_be() -> None:
    met: list[np.ndarray] = []
    feed = sn.train.feed.Feed([X, Y], 32)
    for xb, yb in feed.epoch():
        assert np.shares_memory(xb, X) and np.shares_memory(yb, Y)
    order = np.random.default_rng(0).permutation(70)
    for xb, yb in feed.epoch(order):
        assert xb.flags.c_contiguous and not np.shares_memory(xb, X)
        met.append((xb == X[order[len(met) * 32 :][:32]]).all() and (yb == Y[order[len(met) * 32 :][:32]]).all())
    assert met == [True, True, True]


def test_large_rows_are_gathered_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sn.train.feed, "BLOCK", 8 * 3 * 64 * 4)
    feed, order = sn.train.feed.Feed([X, Y], 8), np.random.default_rng(0).permutation(70)
    parts = [(xb.copy(), yb.copy()) for xb, yb in feed.epoch(order)]
    assert [len(xb) for xb, _ in parts] == [8] * 8 + [6]
    np.testing.assert_array_equal(np.concatenate([xb for xb, _ in parts]), X[order])
    np.testing.assert_array_equal(np.concatenate([yb for _, yb in parts]), Y[order])


def test_numbers_of_other_dtypes_are_cast() -> None:
    trainer = classifier()
    trainer.fit(X.astype(np.float64).tolist(), Y.astype(np.uint8), progress=False)
    assert trainer.programs is not None
    assert (trainer.programs.inputs.dtype, trainer.programs.targets) == ("float32", sn.train.feed.Kind((), "int32"))
    assert trainer.predict(X.astype(np.float64)).dtype == np.float32
    assert trainer.predict(X[:0]).shape == (0, 10)


class Table(sn.nn.Module):
    """Rows by their numbers: its shape is open until the call."""

    def __init__(self) -> None:
        self.rows = sn.Parameter(np.zeros((5, 2)), name="rows")

    def forward(self, x: Any) -> Any:
        return self.rows[x]


def test_whole_numbers_stay_whole() -> None:
    trainer, x = Trainer(Table(), sn.nn.mse, sn.optim.SGD(lr=1.0)), np.array([0, 3, 4, 3])
    trainer.fit(x, np.stack([x, -x], 1) * 1.0, epochs=60, progress=False)
    np.testing.assert_allclose(trainer.predict(x), np.stack([x, -x], 1), atol=1e-3)
    with pytest.raises(sn.DTypeError, match="x is float64; expected int64"):
        trainer.predict(x * 0.5)


class Noisy(sn.nn.Module):
    """Doubles in training only."""

    def __init__(self) -> None:
        self.w, self.inner = sn.Parameter(np.float32(1.0)), sn.nn.ReLU()

    def forward(self, x: Any) -> Any:
        return x * self.w * (2.0 if self.training else 1.0)


def test_training_and_inference_are_told_apart() -> None:
    trainer = Trainer(Noisy(), sn.nn.mse, sn.optim.SGD(lr=0.0))
    trainer.model.inner.eval()
    assert trainer.fit(U, U, progress=False)["loss"][0] > 0.1
    assert trainer.evaluate(U, U)["loss"] == 0.0 and (trainer.predict(U) == U.astype(np.float32)).all()
    assert trainer.model.training and not trainer.model.inner.training


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": X[:, :63]}, sn.ShapeError, "63"),
        ({"y": Y[:3]}, sn.ShapeError, "x has 70 samples and y has 3"),
        ({"x": X[:0], "y": Y[:0]}, sn.ArgumentError, "no samples"),
        ({"x": 1.0}, sn.ShapeError, "x is one number"),
        ({"x": "text"}, sn.ArgumentError, "x: expected numbers"),
        ({"y": Y * 1.0}, sn.DTypeError, "class numbers"),
        ({"y": Y + 1}, sn.IndexOutOfBounds, "10"),
        ({"y": Y[:, None]}, sn.ShapeError, "one label"),
        ({"epochs": -1}, sn.ArgumentError, "epochs"),
        ({"batch_size": 0}, sn.ArgumentError, "batch_size"),
        ({"seed": None}, sn.ArgumentError, "seed"),
        ({"validation": X}, sn.ArgumentError, "validation"),
        ({"validation": (X, Y[:2])}, sn.ShapeError, "validation x has 70"),
        ({"validation": (X[:, :2], Y)}, sn.ShapeError, "validation x has shape"),
        ({"callbacks": [print]}, sn.ArgumentError, "callbacks"),
        ({"callbacks": [EarlyStopping(monitor="val_loss")]}, sn.ArgumentError, "monitor"),
    ],
)
def test_bad_data(change: dict[str, Any], error: type[Exception], message: str) -> None:
    trainer = classifier(sn.optim.SGD(lr=0.0))
    before = trainer.model.state_dict()
    with pytest.raises(error, match=message):
        trainer.fit(**{"x": X, "y": Y, "progress": False, **change})
    assert equal(trainer.model.state_dict(), before)
    trainer.fit(X, Y, progress=False)  # nothing of it stayed


def test_bad_trainers() -> None:
    net, rule = network(), sn.optim.SGD()
    for given, message in [
        ((print, sn.nn.mse, rule), "model"),
        ((net, None, rule), "loss"),
        ((net, sn.nn.mse, sn.optim.SGD), "optimizer"),
        ((net, sn.nn.mse, rule, ["accurate"]), "accuracy, confusion_matrix, f1, r2"),
        ((net, sn.nn.mse, rule, ["r2", "r2"]), "taken"),
    ]:
        with pytest.raises(sn.ArgumentError, match=message):
            Trainer(*given)
    with pytest.raises(sn.ArgumentError, match="fit first"):
        untrained = line()
        untrained.predict(U)
        _ = untrained.programs and untrained.programs.y
    with pytest.raises(sn.ArgumentError, match="before the first fit"):
        line().save("net.npz")


def test_shapes_that_would_broadcast_into_nonsense() -> None:
    with pytest.raises(sn.ShapeError, match="last axis of 1"):
        line().fit(U, U[:, 0], progress=False)
    with pytest.raises(sn.ShapeError, match="scalar"):
        Trainer(sn.nn.Linear(1, 1), lambda p, y: p - y, sn.optim.SGD()).fit(U, U, progress=False)

    class Mean(sn.nn.Linear):
        def forward(self, x: Any) -> Any:
            return super().forward(x).mean()

    with pytest.raises(sn.ShapeError, match="one row for each sample"):
        Trainer(Mean(1, 1), sn.nn.mse, sn.optim.SGD()).fit(U, U, progress=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("metrics", [(), ("r2",)])
def test_a_loss_that_is_not_finite_stops_before_it_does_harm(bad: float, metrics: Any) -> None:
    target = U.copy()
    target[9] = bad
    trainer, twin = (Trainer(sn.nn.Linear(1, 1, rng=0), sn.nn.mse, sn.optim.Adam(), metrics) for _ in range(2))
    trainer.fit(U, U, epochs=2, batch_size=4, shuffle=False, progress=False)
    with pytest.raises(
        sn.NonFiniteLoss, match=r"epoch 3, step 3; .* comes from the data 'y', which holds (NaN|an inf)"
    ):
        trainer.fit(U, target, batch_size=4, shuffle=False, progress=False)
    twin.fit(U, U, epochs=2, batch_size=4, shuffle=False, progress=False)
    twin.fit(U[:8], target[:8], batch_size=4, shuffle=False, progress=False)
    assert equal(state(trainer), state(twin))  # the two good steps before it, and no more
    assert trainer.epoch == 2 and isinstance(sn.NonFiniteLoss("x"), ArithmeticError)


class Logarithm(sn.nn.Module):
    """The logarithm of a layer, with dropout and a mask of infinities that do no harm."""

    def __init__(self) -> None:
        self.layer, self.dropout = sn.nn.Linear(1, 1, rng=0, bias=False), sn.nn.Dropout(0.5, 0)

    def forward(self, x: Any) -> Any:
        masked = sn.sum(sn.softmax(sn.stack([x, x * 0.0 - np.inf], 1), 1), 1)
        return sn.log(self.dropout(self.layer(x))) * masked  # here


@pytest.mark.parametrize(("sign", "word"), [(-1.0, "NaN"), (0.0, "an infinity")])
def test_a_loss_that_is_not_finite_tells_the_op(sign: float, word: str) -> None:
    model = Logarithm()
    model.layer.weight.value = [[sign]]
    line = next(k for k, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# here"))
    trainer = Trainer(model, sn.nn.mse, sn.optim.SGD())
    with pytest.raises(sn.NonFiniteLoss, match=rf"comes from log at test_train.py:{line}, the first to give {word}"):
        trainer.fit(np.ones((8, 1)), U[:8], progress=False)


def test_a_parameter_that_is_not_finite_is_named() -> None:
    model = sn.nn.Linear(1, 1)
    model.bias.value = [np.nan]  # type: ignore[union-attr]
    with pytest.raises(sn.NonFiniteLoss, match=r"comes from the Parameter 'bias.*', which holds NaN"):
        Trainer(model, sn.nn.mse, sn.optim.SGD()).fit(U, U, progress=False)


# -- metrics -------------------------------------------------------------------------------------


def test_metrics_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for classes in (2, 5):
        y, scores = rng.integers(0, classes, 50), rng.random((50, classes))
        found = scores.argmax(1)
        assert sn.train.accuracy(y, scores) == pytest.approx(metrics.accuracy_score(y, found))
        assert sn.train.f1(y, scores) == pytest.approx(metrics.f1_score(y, found, average="macro"))
        np.testing.assert_array_equal(sn.train.confusion_matrix(y, scores), metrics.confusion_matrix(y, found))
    # A class that is never met, and one never found.
    y, found = np.array([0, 0, 1, 3]), np.array([0, 1, 1, 2])
    assert sn.train.f1(y, found) == pytest.approx(metrics.f1_score(y, found, average="macro"))
    for shape in ((20,), (20, 3)):
        a, b = rng.random(shape), rng.random(shape)
        assert sn.train.r2(a, b) == pytest.approx(metrics.r2_score(a, b))
    level = np.ones(4)
    assert (sn.train.r2(level, level), sn.train.r2(level, level * 2)) == (1.0, 0.0)


def test_metrics_of_probabilities_and_of_what_does_not_fit() -> None:
    assert sn.train.accuracy(np.array([0.0, 1.0]), np.array([0.2, 0.7])) == 1.0
    assert sn.train.confusion_matrix(np.array([[0], [1]]), np.array([[0.2], [0.3]])).tolist() == [[1, 0], [1, 0]]
    assert np.isnan(sn.train.r2(np.ones(1), np.ones(1)))
    for error, y, found in [
        (sn.ShapeError, np.zeros(3, int), np.zeros((2, 2))),
        (sn.DTypeError, np.array([0.5]), np.ones((1, 2))),
        (sn.DTypeError, np.array([-1]), np.ones((1, 2))),
    ]:
        with pytest.raises(error):
            sn.train.accuracy(y, found)
    with pytest.raises(sn.ShapeError):
        sn.train.r2(np.ones(3), np.ones((3, 1)))


# -- callbacks, history, progress ----------------------------------------------------------------


class Log(Callback):
    def __init__(self) -> None:
        self.met: list[Any] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.met.append("begin")

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self.met.append(epoch)

    def on_batch_end(self, trainer: Trainer, step: int, loss: float) -> None:
        self.met.append((step, loss > 0))

    def on_epoch_end(self, trainer: Trainer, epoch: int, measured: Any) -> None:
        self.met.append(sorted(measured))

    def on_fit_end(self, trainer: Trainer) -> None:
        self.met.append("end")


def test_callbacks_in_their_order() -> None:
    log, trainer = Log(), line()
    trainer.fit(U, 2 * U, batch_size=16, validation=(U, U), callbacks=[log], progress=False)
    measured = ["loss", "samples_per_second", "val_loss"]
    assert log.met == ["begin", 1, (1, True), (2, True), measured, "end"]


class Falling(Callback):
    """Makes the loss what a list says."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def on_epoch_end(self, trainer: Trainer, epoch: int, measured: Any) -> None:
        measured["loss"] = self.losses[epoch - 1]


@pytest.mark.parametrize(
    ("options", "epochs", "best"),
    [
        ({"patience": 2}, 5, 3),
        ({"patience": 3}, 8, 6),
        ({"patience": 2, "min_delta": 0.2}, 4, 2),
        ({"patience": 1, "mode": "max"}, 2, 1),
        ({"patience": 9}, 8, 6),
    ],
)
@pytest.mark.parametrize("restore", [False, True])
def test_early_stopping(options: dict[str, Any], epochs: int, best: int, restore: bool) -> None:
    kept: list[dict[str, np.ndarray]] = []

    class Keep(Callback):
        def on_epoch_end(self, trainer: Trainer, epoch: int, measured: Any) -> None:
            kept.append(trainer.model.state_dict())

    stopping, trainer = EarlyStopping(restore_best=restore, **options), line()
    losses = Falling([1.0, 0.7, 0.6, 0.65, 0.61, 0.1, 0.2, 0.3])
    trainer.fit(U, 2 * U, epochs=8, callbacks=[losses, Keep(), stopping], progress=False)
    assert (trainer.epoch, stopping.best_epoch, stopping.stopped) == (epochs, best, epochs < 8)
    assert equal(trainer.model.state_dict(), kept[best - 1] if restore else kept[-1])


def test_bad_callbacks() -> None:
    for make in (
        lambda: EarlyStopping(patience=0),
        lambda: EarlyStopping(min_delta=-1),
        lambda: EarlyStopping(mode="less"),
        lambda: Checkpoint("net.txt"),
        lambda: Checkpoint("net.npz", every=0),
    ):
        with pytest.raises(sn.ArgumentError):
            make()


def test_history_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    trainer = line(metrics=["r2"])
    history = trainer.fit(U, U, epochs=2, progress=False)
    trainer.fit(U, U, validation=(U, U), progress=False)
    assert history["val_loss"][:2] == [None, None] and history.last["val_r2"] == history["val_r2"][-1]
    assert history.plot(tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(sn.ArgumentError, match="train first"):
        History().plot(tmp_path / "nothing.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(sn.ArgumentError, match=r"symnet\[plot\]"):
        history.plot(tmp_path / "curves.png")


def test_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    line().fit(U, U, epochs=2)
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.err and "samples/s" in shown.err and shown.out == ""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    line(metrics=["r2"]).fit(U, U, epochs=2, validation=(U, U))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch 2/2: loss ") and lines[1].endswith("samples/s")
    assert "val_r2" in lines[1]
    line().fit(U, U, progress=False)
    assert capsys.readouterr() == ("", "")


# -- checkpoints ---------------------------------------------------------------------------------


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"net.{request.param}"


def averaged(loss: Any, parameters: Any) -> Any:
    return sn.optim.ExponentialMovingAverage(0.9)(sn.optim.SGD(lr=0.1)(loss, parameters))


RULES: list[Callable[[], Any]] = [
    lambda: averaged,
    lambda: sn.optim.SGD(lr=0.1),
    lambda: sn.optim.SGD(lr=0.1, momentum=0.9),
    lambda: sn.optim.Adam(lr=sn.optim.WarmupCosineLR(0.01, 4, 20), clip_norm=1.0),
]


@pytest.mark.parametrize("rule", RULES)
def test_training_goes_on_bit_for_bit(rule: Callable[[], Any], path: Path) -> None:
    whole = classifier(rule(), metrics=["accuracy", "confusion_matrix"])
    whole.fit(X, Y, epochs=5, seed=7, progress=False)
    part = classifier(rule(), metrics=["accuracy", "confusion_matrix"])
    part.fit(X, Y, epochs=2, seed=7, progress=False)
    assert part.save(path) == path and [p.name for p in path.parent.iterdir()] == [path.name]
    further = classifier(rule(), metrics=["accuracy", "confusion_matrix"]).load(path)
    assert equal(state(further), state(part)) and further.epoch == 2
    further.fit(X, Y, epochs=3, progress=False)
    assert equal(state(further), state(whole))
    assert further.history["loss"] == whole.history["loss"] and further.history.epochs == whole.history.epochs
    np.testing.assert_array_equal(further.history["confusion_matrix"], whole.history["confusion_matrix"])
    # Into the Trainer itself, which has gone on meanwhile.
    part.fit(X, Y, epochs=1, progress=False)
    asked = classifier(rule())
    asked.predict(X)  # knows its samples, but no targets yet
    assert equal(state(part.load(path)), state(asked.load(path)))


def test_checkpoints_of_epochs(tmp_path: Path) -> None:
    trainer = line()
    calls = [Checkpoint(tmp_path / "all-{epoch}.npz", every=2), Checkpoint(tmp_path / "last.npz")]
    trainer.fit(U, U, epochs=5, callbacks=calls, progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all-2.npz", "all-4.npz", "last.npz"]
    assert line().load(tmp_path / "all-2.npz").epoch == 2 and line().load(tmp_path / "last.npz").epoch == 5


def test_a_checkpoint_is_written_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = line()
    trainer.fit(U, U, progress=False)
    trainer.save(path)
    before = path.read_bytes()
    trainer.fit(U, U, progress=False)

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        trainer.save(path)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


def refused(trainer: Trainer, path: Path, message: str) -> None:
    """The checkpoint is refused, and the Trainer goes on as if it had not been met."""
    before, epoch, rng = state(trainer), trainer.epoch, trainer.rng
    with pytest.raises(sn.CheckpointError, match=message):
        trainer.load(path)
    assert equal(state(trainer), before) and (trainer.epoch, trainer.rng) == (epoch, rng)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: classifier(hidden=17), r"layers.0.weight has shape \(64, 16\) and dtype float32; expected \(64, 17\)"),
        (lambda: Trainer(network().layers[0], sn.nn.cross_entropy, sn.optim.Adam()), "lacks model/weight"),
        (lambda: classifier(sn.optim.SGD(lr=0.1)), "optimiser Adam; expected SGD"),
        (lambda: classifier(sn.optim.Adam(amsgrad=True)), "other options of the optimiser: optimizer/2"),
    ],
)
def test_a_checkpoint_of_something_else(make: Callable[[], Trainer], message: str, path: Path) -> None:
    saved, other = classifier(), make()
    saved.fit(X, Y, progress=False)
    saved.save(path)
    other.fit(X, Y, progress=False)
    refused(other, path, message)


def test_a_checkpoint_of_other_data(tmp_path: Path) -> None:
    flat = Trainer(sn.nn.Linear(1, 1), sn.nn.mse, sn.optim.SGD())
    flat.fit(U, U, progress=False)
    flat.save(tmp_path / "flat.npz")
    deep = Trainer(sn.nn.Linear(1, 1), sn.nn.mse, sn.optim.SGD())
    deep.fit(U[:, None], U[:, None], progress=False)
    refused(deep, tmp_path / "flat.npz", "other data")


def test_damaged_files(path: Path) -> None:
    trainer = classifier()
    trainer.fit(X, Y, progress=False)
    raw = trainer.save(path).read_bytes()
    for length in {0, 1, 7, 100, len(raw) // 2, len(raw) - 30, len(raw) - 1}:
        path.write_bytes(raw[:length])
        refused(trainer, path, path.name)
    path.write_bytes(b"no checkpoint" * 100)
    refused(trainer, path, path.name)
    with pytest.raises(FileNotFoundError):
        trainer.load(path.with_name(f"absent{path.suffix}"))
    with pytest.raises(sn.ArgumentError, match=r"\.npz"):
        trainer.load(path.with_suffix(".txt"))


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    trainer, path = classifier(), tmp_path / "net.npz"
    trainer.fit(X, Y, progress=False)
    raw = bytearray(trainer.save(path).read_bytes())
    for place in range(40, len(raw), len(raw) // 37):
        flipped = raw.copy()
        flipped[place] ^= 16
        path.write_bytes(flipped)
        before = state(trainer)
        try:
            trainer.load(path)
        except sn.CheckpointError:
            assert equal(state(trainer), before)
        else:  # a bit that means nothing, such as one of a date
            assert equal(state(trainer), before)


def test_files_of_something_else(tmp_path: Path) -> None:
    trainer, path = line(), tmp_path / "net.npz"
    trainer.fit(U, U, progress=False)
    np.savez(path, weight=np.ones(3))
    refused(trainer, path, "lacks the facts")
    np.savez(path, weight=np.array([print], object))
    refused(trainer, path, "pickle")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    refused(trainer, path, "lacks the facts")
    np.savez(path, symnet=np.frombuffer(b'{"format": 99}', np.uint8))
    refused(trainer, path, "form 99")


def test_facts_that_do_not_fit(tmp_path: Path) -> None:
    trainer, path = line(), tmp_path / "net.npz"
    trainer.fit(U, U, progress=False)
    trainer.save(path)
    with np.load(path) as found:
        arrays = dict(found)
    facts = arrays["symnet"].tobytes().decode()
    for old, new in (('"PCG64"', '"Other"'), ('"inputs"', '"outputs"'), ('"epoch": 1', '"epoch": "x"')):
        arrays["symnet"] = np.frombuffer(facts.replace(old, new, 1).encode(), np.uint8)
        np.savez(path, **arrays)
        refused(trainer, path, "facts")


def test_safetensors_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = line()
    trainer.fit(U, U, progress=False)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(sn.ArgumentError, match=r"symnet\[safetensors\]"):
        trainer.save(tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []
