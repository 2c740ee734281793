import keras
import numpy as np
import pytest
from conftest import build, compile_model, fit
from sklearn.metrics import log_loss

from fmnist_keras import evaluation, models, training
from fmnist_keras.params import ParamsError

IMAGES, TARGETS = np.ones((64, 28, 28, 1), "float32"), np.zeros((64, 3), "float32")


def small(values):
    """Return a model of one layer of weights, compiled; eager, since a graph takes longer to build."""
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    optimizer = training.optimizer(values.optimizer, values.learning_rate)
    model.compile(optimizer, "mean_squared_error", run_eagerly=True)
    return model


def test_optimizers_are_the_paper_s():
    adam = training.optimizer()
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.epsilon, float(adam.learning_rate)) == (1e-8, pytest.approx(0.001))
    sgd = training.optimizer("sgd", learning_rate=0.01)
    assert (type(sgd), sgd.momentum) == (keras.optimizers.SGD, 0)
    assert float(sgd.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("size", [1, 1e-7], ids=["ordinary", "as small as the epsilon"])
def test_adam_computes_what_keras_does(size):
    def moved(optimizer):
        variables = [keras.Variable(np.ones(shape, "float32")) for shape in ((3, 4), (5,))]
        random = np.random.default_rng(0)
        for _ in range(20):
            gradients = [random.normal(scale=size, size=v.shape) for v in variables]
            optimizer.apply([keras.ops.array(one, "float32") for one in gradients], variables)
        return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in variables])

    ours, theirs = moved(training.optimizer()), moved(keras.optimizers.Adam(0.001, epsilon=1e-8))
    assert np.abs(ours - 1).min() > 1e-4
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_xla_stays_out_of_steps(tiny):
    """Keras chooses by itself if nothing is said; with XLA a step on a CPU took some 20 times as long."""
    model = build(tiny("model_1"))
    model.compile(training.optimizer(), "mean_squared_error")
    assert model.jit_compile is (keras.backend.backend() != "tensorflow")


@pytest.mark.parametrize("name", ["model_1", "model_8"])
def test_evaluate_equals_a_recomputation(name, tiny, images, sample):
    """Dropout is off. Eager: the graph of a single batch takes longer to build than all else here."""
    params, labels = tiny(name, dropout=0.5), sample.y_val[:256]
    model = build(params)
    compile_model(model, params)
    model.run_eagerly = True
    outputs = training.predict(model, images)
    scores = training.evaluate(model, images, labels if name == "model_8" else images)
    if name == "model_1":
        expected = np.mean((images - outputs) ** 2, dtype="float64")
    else:
        expected = log_loss(labels, evaluation.softmax(outputs), labels=range(10))
        assert scores["accuracy"] == pytest.approx(np.mean(outputs.argmax(1) == labels))
    assert scores["loss"] == pytest.approx(expected, rel=1e-5)


class Scripted(keras.callbacks.Callback):
    """Puts given numbers in place of val_loss, before early stopping sees them."""

    def __init__(self, values):
        super().__init__()
        self.values, self.weights = values, []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.values[epoch]
        self.weights.append(self.model.get_weights()[0].copy())


@pytest.mark.parametrize(
    ("losses", "restore_epoch", "best", "restored", "early"),
    [
        ([1.0, 0.9, 0.8], None, 3, 3, False),  # the epochs run out: the last is the best
        # Patience 2 runs out, since an improvement smaller than min_delta is none: epoch 2 comes back.
        ([1.0, 0.5, 0.6, 0.49995, 0.1], None, 2, 2, True),
        ([1.0, 0.4, 0.5], None, 2, 2, False),  # the epochs run out, and still epoch 2 comes back
        ([1.0, 0.4, 0.5], 3, 2, 3, False),
        ([1.0, 0.4, 0.5], 4, 2, 2, False),  # an epoch that is not reached
    ],
)
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "own"])
def test_the_asked_epoch_is_restored(losses, restore_epoch, best, restored, early, ours, tiny):
    """The best one comes back by default; early stopping may be of `callbacks`, or a person's own."""
    stop = {"patience": 2, "min_delta": 1e-3}
    if ours:
        stopping = training.callbacks(**stop, restore_epoch=restore_epoch)
    else:
        own = keras.callbacks.EarlyStopping(monitor="val_loss", restore_best_weights=True, **stop)
        stopping = [*training.callbacks(None, restore_epoch=restore_epoch), own]
    script, model = Scripted(losses), small(tiny("model_1"))
    history = model.fit(
        *(IMAGES, TARGETS),
        batch_size=64,
        epochs=len(losses),
        validation_data=(IMAGES, TARGETS),
        callbacks=[script, *stopping],
        verbose=0,
    )
    assert (history.best_epoch, history.restored_epoch, history.stopped_early) == (best, restored, early)
    np.testing.assert_array_equal(model.get_weights()[0], script.weights[restored - 1])


def test_a_line_an_epoch(tiny, capsys):
    params = tiny("model_1", epochs=2, batch_size=64)
    fit(small(params), IMAGES, TARGETS, (IMAGES, TARGETS), params)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("val_loss" in line and "best" in line for line in lines)


def test_epochs_begin_at_1(tiny):
    model = small(tiny("model_1"))
    with pytest.raises(ParamsError, match="initial_epoch: 1 is not allowed"):
        model.fit(IMAGES, TARGETS, epochs=3, initial_epoch=1, callbacks=training.callbacks(None), verbose=0)


def test_other_models_and_no_images(tiny):
    """An empty array, a model without an `output_shape`, and losses in a list."""

    class Own(keras.Model):
        def call(self, images):
            return keras.ops.mean(images, axis=(1, 2))

    model = Own()
    model.compile(loss=["mean_squared_error"], run_eagerly=True)
    assert training.evaluate(model, IMAGES, TARGETS[:, 0])["loss"] == 1
    assert training.loss_name(model) == "mean squared error"
    assert training.predict(models.encoder(4), IMAGES[:0]).shape == (0, 4)


def test_divergence_is_one_sentence(tiny):
    params = tiny("model_8", optimizer="sgd", learning_rate=1e6, epochs=9, batch_size=64)
    with pytest.raises(training.TrainingDiverged, match="epoch . with SGD and learning_rate 1e\\+06"):
        fit(small(params), IMAGES, TARGETS, (IMAGES, TARGETS), params)


def test_the_same_seed_gives_the_same_start():
    starts = []
    for seed in (0, 0, 1):
        training.seed_everything(seed)
        starts.append(models.encoder().get_weights()[0])
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(starts[0] - starts[2]).max() > 0
