import keras
import numpy as np
import pytest
from conftest import build, compile_model, fit
from sklearn.metrics import log_loss

from fmnist_keras import evaluation, models, runs, training


def small(values, *before):
    """A model of one layer of weights, compiled; images to fit it on, and their targets `(64, 3)`.

    Eager, since a graph of an epoch of one batch takes longer to build than all its epochs.
    """
    layers = [keras.Input((28, 28, 1)), *before, keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    optimizer = training.optimizer(values.optimizer, values.learning_rate)
    model.compile(optimizer, "mean_squared_error", run_eagerly=True)
    images = np.ones((64, 28, 28, 1), "float32")
    return model, images, np.zeros((64, 3), "float32")


def test_optimizers_are_the_papers():
    adam = training.optimizer()
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.epsilon, float(adam.learning_rate)) == (1e-8, pytest.approx(0.001))
    sgd = training.optimizer("sgd", learning_rate=0.01)
    assert (type(sgd), sgd.momentum) == (keras.optimizers.SGD, 0)
    assert float(sgd.learning_rate) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="'adma' is not allowed; allowed: adam or sgd"):
        training.optimizer("adma")


@pytest.mark.parametrize("size", [1, 1e-7], ids=["ordinary", "as small as the epsilon"])
def test_adam_computes_what_keras_does(size):
    def moved(optimizer):
        variables = [keras.Variable(np.ones(shape, "float32")) for shape in ((3, 4), (5,))]
        random = np.random.default_rng(0)
        for _ in range(50):
            gradients = [random.normal(scale=size, size=v.shape) for v in variables]
            optimizer.apply([keras.ops.array(one, "float32") for one in gradients], variables)
        return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in variables])

    ours, theirs = moved(training.optimizer()), moved(keras.optimizers.Adam(0.001, epsilon=1e-8))
    assert np.abs(ours - 1).min() > 1e-4
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_plain_compile_leaves_xla_out_of_the_step_on_a_cpu(tiny):
    """Keras chooses by itself where nothing is said; with XLA a step on a CPU took some 20 times as long."""
    model = build(tiny("model_1"))
    model.compile(training.optimizer(), "mean_squared_error")
    assert model.jit_compile is (keras.backend.backend() != "tensorflow")


def test_a_missing_encoder_is_an_error_that_says_what_to_run(tiny, reports):
    with pytest.raises(runs.RunError, match="in minutes: `make report MODELS=model_4`"):
        runs.load_encoder(tiny("model_7"))


def test_eval_mode_figures_equal_a_recomputation(tiny, images, sample):
    params = tiny("model_1", dropout=0.5)
    model = build(params)
    compile_model(model, params)
    decoded = training.predict(model, images)
    expected = np.mean((images - decoded) ** 2, dtype="float64")
    assert training.evaluate(model, images, images)["loss"] == pytest.approx(expected, rel=1e-5)

    params, labels = tiny("model_8", dropout=0.5), sample.y_val[:256]
    model = build(params)
    compile_model(model, params)
    logits = training.predict(model, images)
    figures = training.evaluate(model, images, labels)
    expected = log_loss(labels, evaluation.softmax(logits), labels=range(10))
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)
    assert figures["accuracy"] == pytest.approx(np.mean(logits.argmax(1) == labels))


def test_train_loss_is_measured_with_dropout_off(tiny, images):
    params = tiny("model_3", epochs=1, learning_rate=1e-12)  # weights all but still
    targets = np.zeros((len(images), 3), "float32")
    model, *_ = small(params, keras.layers.Dropout(0.5))
    history = fit(model, images, targets, (images, targets), params)
    measured = training.evaluate(model, images, targets)["loss"]
    assert measured == pytest.approx(history.history["val_loss"][0], rel=1e-4)  # eval mode
    assert measured != pytest.approx(history.history["loss"][0], rel=1e-4)  # not what fit averaged


class Scripted(keras.callbacks.Callback):
    """Puts given numbers in place of val_loss, before early stopping sees them."""

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.values[epoch]
        self.weights.append(self.model.get_weights()[0].copy())


@pytest.mark.parametrize(
    ("losses", "best", "early"),
    [
        ([1.0, 0.9, 0.8, 0.7, 0.6], 5, False),  # the epochs run out: the last is the best
        ([1.0, 0.5, 0.6, 0.7, 0.1], 2, True),  # patience 2 runs out, epoch 2 comes back
        ([1.0, 0.5, 0.6, 0.49995, 0.1], 2, True),  # an improvement smaller than min_delta is none
        ([1.0, 0.8, 0.9, 0.4, 0.5], 4, False),  # the epochs run out, and still epoch 4 comes back
    ],
)
def test_early_stopping_restores_the_best_epoch(tiny, monkeypatch, losses, best, early):
    params = tiny("model_1", epochs=5, patience=2, min_delta=1e-3, batch_size=64)
    script = Scripted(losses)
    ours = training.callbacks
    monkeypatch.setattr(training, "callbacks", lambda *values: [script, *ours(*values)])
    model, images, targets = small(params)
    history = fit(model, images, targets, (images, targets), params)
    assert (history.best_epoch, len(history.epoch) < params.epochs) == (best, early)
    np.testing.assert_array_equal(model.get_weights()[0], script.weights[best - 1])


def test_a_line_an_epoch(tiny, capsys):
    params = tiny("model_1", epochs=3, batch_size=64)
    model, images, targets = small(params)
    fit(model, images, targets, (images, targets), params)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("val_loss" in line and "best" in line for line in lines)


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence(tiny):
    params = tiny("model_8", optimizer="sgd", learning_rate=1e38, epochs=3, batch_size=64)
    model, images, targets = small(params)
    with pytest.raises(training.TrainingDiverged, match="epoch 1 with SGD and learning_rate 1e\\+38"):
        fit(model, images, targets, (images, targets), params)


def test_the_same_seed_gives_the_same_start():
    starts = []
    for seed in (0, 0, 1):
        training.seed_everything(seed)
        starts.append(models.encoder().get_weights()[0])
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(starts[0] - starts[2]).max() > 0
