import keras
import numpy as np
import pytest
from conftest import OF_KIND, build, compile_model, fit
from sklearn.metrics import log_loss

from fmnist_keras import evaluation, models, runs, training


@pytest.fixture
def trained(tiny, reports, sample, images):
    """Model 4's autoencoder, trained an epoch and saved as a run; its parameters come along."""
    params = tiny("model_4", batch_size=64)
    run = runs.start(params)
    model = build(params)
    compile_model(model, params)
    history = fit(model, images, images, (images[:64], images[:64]), params)
    run.finish(model, history, sample, train={"loss": 0.1}, val={"loss": 0.1}, **OF_KIND["autoencoder"])
    return model


def fit_classifier(params, images, labels):
    encoder = runs.load_encoder(params)
    model = models.classifier(encoder, params.final_activation, params.train_encoder)
    compile_model(model, params)
    before = [weight.copy() for weight in model.get_weights()]
    fit(model, images, labels, (images[:64], labels[:64]), params)
    return model, before


def test_optimizers_are_the_papers():
    adam = training.optimizer()
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.epsilon, float(adam.learning_rate)) == (1e-8, pytest.approx(0.001))
    sgd = training.optimizer("sgd", learning_rate=0.01)
    assert (type(sgd), sgd.momentum) == (keras.optimizers.SGD, 0)
    assert float(sgd.learning_rate) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="'adma' is not allowed; allowed: adam or sgd"):
        training.optimizer("adma")


def test_adam_computes_what_keras_does():
    def moved(optimizer):
        variables = [keras.Variable(np.ones(shape, "float32")) for shape in ((3, 4), (5,))]
        random = np.random.default_rng(0)
        for _ in range(50):
            optimizer.apply(
                [keras.ops.array(random.normal(size=v.shape), "float32") for v in variables], variables
            )
        return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in variables])

    ours, theirs = moved(training.optimizer()), moved(keras.optimizers.Adam(0.001, epsilon=1e-8))
    assert np.abs(ours - 1).min() > 1e-4
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_plain_compile_leaves_xla_out_of_the_step_on_a_cpu(tiny):
    """Keras chooses by itself where nothing is said; with XLA a step on a CPU took some 20 times as long."""
    model = build(tiny("model_1"))
    model.compile(training.optimizer(), "mean_squared_error")
    assert model.jit_compile is (keras.backend.backend() != "tensorflow")


def test_model_8_trains_its_head_alone(trained, tiny, sample, images):
    left = [weight.copy() for weight in trained.layers[0].get_weights()]
    model, before = fit_classifier(tiny("model_8", batch_size=64), images, sample.y_val[:256])
    for mine, theirs in zip(model.layers[0].get_weights(), left):
        np.testing.assert_array_equal(mine, theirs)  # bit-equal, after fit too
    assert np.abs(model.get_layer("head").get_weights()[0] - before[-2]).max() > 0


def test_a_classifier_changes_neither_the_autoencoder_nor_its_file(trained, tiny, sample, images):
    path = runs.run_dir("test", "model_4", 0) / "encoder.keras"
    content, left = path.read_bytes(), [weight.copy() for weight in trained.get_weights()]
    model, before = fit_classifier(tiny("model_7", batch_size=64), images, sample.y_val[:256])
    assert np.abs(model.layers[0].get_weights()[0] - before[0]).max() > 0  # its own encoder has moved
    assert path.read_bytes() == content
    for mine, theirs in zip(trained.get_weights(), left):
        np.testing.assert_array_equal(mine, theirs)
    # So model 8, made after model 7, starts from what the autoencoder left.
    for mine, theirs in zip(runs.load_encoder(tiny("model_8")).get_weights(), left):
        np.testing.assert_array_equal(mine, theirs)


def test_a_missing_encoder_is_an_error_that_says_what_to_run(tiny, reports):
    with pytest.raises(runs.RunError, match=r"papermill notebooks/autoencoder\.ipynb .*model_4\.yaml"):
        runs.load_encoder(tiny("model_7"))


def test_eval_mode_figures_equal_a_recomputation(tiny, images, sample):
    params = tiny("model_1", dropout=0.5)
    model = build(params)
    compile_model(model, params)
    decoded = model.predict(images, verbose=0)
    expected = np.mean((images - decoded) ** 2, dtype="float64")
    assert training.evaluate(model, images, images)["loss"] == pytest.approx(expected, rel=1e-5)

    params, labels = tiny("model_8", dropout=0.5), sample.y_val[:256]
    model = build(params)
    compile_model(model, params)
    logits = model.predict(images, verbose=0)
    figures = training.evaluate(model, images, labels)
    expected = log_loss(labels, evaluation.softmax(logits), labels=range(10))
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)
    assert figures["accuracy"] == pytest.approx(np.mean(logits.argmax(1) == labels))


def test_train_loss_is_measured_with_dropout_off(tiny, images):
    params = tiny("model_1", dropout=0.5, epochs=1, learning_rate=1e-12)  # weights all but still
    model = build(params)
    compile_model(model, params)
    history = fit(model, images, images, (images, images), params)
    measured = training.evaluate(model, images, images)["loss"]
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
def test_early_stopping_restores_the_best_epoch(tiny, images, monkeypatch, losses, best, early):
    params = tiny("model_1", epochs=5, patience=2, min_delta=1e-3, batch_size=64)
    script = Scripted(losses)
    ours = training.callbacks
    monkeypatch.setattr(training, "callbacks", lambda *values: [script, *ours(*values)])
    model = build(params)
    compile_model(model, params)
    history = fit(model, images[:64], images[:64], (images[:64], images[:64]), params)
    assert (history.best_epoch, len(history.epoch) < params.epochs) == (best, early)
    np.testing.assert_array_equal(model.get_weights()[0], script.weights[best - 1])


def test_a_line_an_epoch(tiny, images, capsys):
    params = tiny("model_1", epochs=3, batch_size=64)
    model = build(params)
    compile_model(model, params)
    fit(model, images[:64], images[:64], (images[:64], images[:64]), params)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("val_loss" in line and "best" in line for line in lines)


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence(tiny, images, sample):
    params = tiny("model_8", optimizer="sgd", learning_rate=1e38, train_encoder=True, epochs=3, batch_size=64)
    labels = sample.y_val[:256]
    model = build(params)
    compile_model(model, params)
    with pytest.raises(training.TrainingDiverged, match="epoch 1 with SGD and learning_rate 1e\\+38"):
        fit(model, images, labels, (images, labels), params)


def test_the_same_seed_gives_the_same_start(tiny):
    starts = []
    for seed in (0, 0, 1):
        training.seed_everything(seed)
        starts.append(build(tiny("model_1")).get_weights()[0])
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(starts[0] - starts[2]).max() > 0
