"""A run's name means the same run everywhere, and what is left out is said."""

import json
import shutil

import keras
import numpy as np
import pytest

import fmnist_keras as fk
from fmnist_keras import models, runs
from fmnist_keras.__main__ import main
from fmnist_keras.tools import explorer, export

CLASSIFIER, AUTOENCODER = "test/model_8/seed_0", "test/model_1/seed_0"


@pytest.fixture
def copied(trained, reports):
    """Copies a run to another name, with the time at which it finished: its folder."""

    def copy(name, finished=None, source=CLASSIFIER, model=None):
        folder = shutil.copytree(reports / source, reports / name)
        suite, called, seed = name.split("/")
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics |= {"suite": suite, "model": called, "seed": int(seed[5:]), "finished": finished}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        if model is not None:
            model.save(folder / "model.keras")
        return folder

    return copy


def damage(folder):
    (folder / "history.csv").write_text("epoch\n")


@pytest.mark.parametrize(
    "name",
    ["model_8", "test/model_8", CLASSIFIER, "model_8/seed_0", "test/model_8/", "./test/model_8/seed_0"],
)
def test_each_form_names_the_run(trained, reports, monkeypatch, name):
    monkeypatch.chdir(reports)
    (reports / "model_8").mkdir()  # in the working directory: a name is not a path
    assert runs.find(name) == reports / CLASSIFIER


def test_the_last_run_is_meant(copied):
    """In any suite and of any seed, whatever their names; a run of schema 2 has no time and is the oldest."""
    for seed in (10, 4):
        copied(f"sample/model_8/seed_{seed}")
    seed_0 = copied("sample/model_8/seed_0", "2999-01-02T10:00:00+00:00")
    last = copied("a_sweep/model_8/seed_3", "2999-01-03T09:00:00+00:00")
    assert runs.find("model_8") == last
    assert runs.find("model_8/seed_0") == runs.find("sample/model_8") == seed_0
    assert list(runs.trained(model="model_8")[0]) == [
        "a_sweep/model_8/seed_3",
        "sample/model_8/seed_0",
        CLASSIFIER,
        "sample/model_8/seed_4",
        "sample/model_8/seed_10",
    ]


def test_text_may_be_a_path(trained, reports, monkeypatch):
    monkeypatch.chdir(reports.parent)
    assert runs.find(f"{reports.name}/{CLASSIFIER}") == reports / CLASSIFIER
    assert runs.find(reports / CLASSIFIER) == reports / CLASSIFIER
    shutil.copytree(reports / "test", reports.parent / "elsewhere")
    assert runs.find("elsewhere/model_8") == reports.parent / "elsewhere" / "model_8"
    shutil.rmtree(reports.parent / "elsewhere")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test/model_6", r"model_6 has no trained weights \(looked in .*/test/model_6\); .*MODELS=model_6`"),
        ("paper/model_6/seed_2", r"of seed 2 .*: `make report SUITE=paper MODELS=model_6 SEEDS=2`"),
        ("paper/model_8", r"model_8 has no trained weights .*; there are: test/model_8/seed_0; weights are"),
        ("paper/mine", r"mine has no trained weights .*; there are: sample/mine/seed_1$"),
        ("smaple/model_5", "unknown suite 'smaple'; did you mean sample?"),
        ("minn", "unknown model 'minn'; did you mean mine?"),
        ("no such/name/at all", "all does not exist; allowed: a model's name, suite/model or"),
        (3, "run: 3 is not allowed; allowed: a model's name"),
    ],
)
def test_a_missing_run_is_one_sentence(copied, name, words):
    copied("sample/mine/seed_1")
    with pytest.raises(runs.RunError, match=words) as error:
        fk.load_model(name)
    assert "\n" not in str(error.value)


def test_a_damaged_run_is_left_out(copied, images):
    damage(copied("sample/model_8/seed_0", "2026-01-02T10:00:00+00:00"))
    with pytest.warns(UserWarning, match=r"^1 run is left out: .*sample/model_8/seed_0/history\.csv cannot"):
        labels, _ = fk.predict(images[:3], "model_8")
    np.testing.assert_array_equal(labels, fk.predict(images[:3], CLASSIFIER)[0])
    with pytest.raises(runs.RunError, match=r"1 run is left out: .*history\.csv cannot be read"):
        runs.find("sample/model_8")
    assert runs.left_out([*"abcdef"]) == "6 runs are left out: a; b; c; and 3 more"


def test_commands_say_what_is_left_out(copied, images, tmp_path, capsys, monkeypatch):
    damage(copied("sample/model_8/seed_0"))
    picture = tmp_path / "boot.png"
    pixels = keras.utils.array_to_img(255 - 255 * images[0], scale=False)
    pixels.save(picture)
    for arguments in (
        ["predict", "model_8", str(picture)],
        ["export", "model_8", "--format", "keras", "--out", str(tmp_path / "out")],
    ):
        main(arguments)
        assert "1 run is left out" in capsys.readouterr().err.splitlines()[-1]
    main(["claims", "sample"])
    assert "seed_0/history.csv cannot be read" in capsys.readouterr().err.splitlines()[-1]


@keras.saving.register_keras_serializable("test_find")
class Doubled(keras.layers.Layer):
    """A layer of one's own, with weights and with an argument that is None."""

    def __init__(self, note="unset", **kwargs):
        super().__init__(**kwargs)
        self.note = note

    def build(self, shape):
        self.factor = self.add_weight(shape=(1,), initializer="ones")

    def call(self, inputs):
        return 2 * self.factor * inputs + (0 if self.note is None else 1)

    def get_config(self):
        return super().get_config() | {"note": self.note}


def flat(*after):
    return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), *after])


def test_a_loss_of_ones_own_loads(copied, images):
    """Uncompiled, since safe mode does not load the loss: predicting does not need it."""
    assert fk.load_model(CLASSIFIER).compiled

    def own_loss(labels, logits):
        return keras.ops.mean(logits)

    mine = flat(keras.layers.Dense(10))
    mine.compile("adam", own_loss)
    mine.fit(images[:4], np.zeros(4), verbose=0)
    copied("sample/own_loss/seed_0", model=mine)
    assert not fk.load_model("own_loss").compiled
    np.testing.assert_allclose(fk.predict(images, "own_loss")[1], fk.predict(images, mine)[1], atol=1e-6)


@pytest.mark.parametrize(
    "end",
    [keras.layers.Softmax, lambda: keras.layers.Activation("softmax")]
    + [lambda: keras.Sequential([keras.Input((10,)), keras.layers.Softmax()])],
)
def test_probabilities_stay_as_they_are(images, end):
    """A second softmax would make them flatter, and nobody would notice."""
    model = flat(keras.layers.Dense(10), end())
    expected = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(fk.predict(images, model)[1], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: flat(keras.layers.Dense(1)), r"is not a classifier: it gives \(None, 1\); allowed: logits"),
        (lambda: models.decoder(8, 0), r"model decoder is not a classifier of images \(n, 28, 28, 1\): "),
    ],
)
def test_another_shape_is_refused(images, model, words):
    with pytest.raises(runs.RunError, match=words) as error:
        fk.predict(images[:2], model())
    assert "\n" not in str(error.value)


def test_own_models_predict_and_export(copied, images, tmp_path):
    """A layer of one's own, and a functional model of two branches."""
    inputs = keras.Input((28, 28, 1))
    two = [keras.layers.Flatten()(inputs), keras.layers.Flatten()(keras.layers.MaxPooling2D(4)(inputs))]
    branches = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.concatenate(two)))
    for name, model in (("own", flat(Doubled(None), keras.layers.Dense(10))), ("two_ways", branches)):
        copied(f"sample/{name}/seed_0", model=model)
        path, difference = export.export(name, "keras", tmp_path / name)
        assert difference < 1e-5
        np.testing.assert_allclose(fk.predict(images, path)[1], fk.predict(images, model)[1], atol=1e-5)
    with pytest.raises(runs.RunError, match=r"model\.keras/metrics\.json cannot be read"):
        export.export(runs.find("model_8") / "model.keras", "keras", tmp_path / "out")


def assert_decoded(app):
    np.testing.assert_allclose(app.shown["decoded"], app.shown["reconstruction"], atol=1e-6)


def test_another_form_of_autoencoder_is_shown(copied):
    """Its reconstruction and its classes, without sliders, with the reason."""
    form = flat(keras.layers.Dense(784, "sigmoid"), keras.layers.Reshape((28, 28, 1)))
    folder = copied("sample/one_part/seed_0", source=AUTOENCODER, model=form)
    app = explorer.Explorer({"mine": runs.read(folder)}, {"its": runs.read(runs.find("model_8"))})
    assert "This autoencoder is not an encoder followed by a decoder" in app.message.value
    assert {slider.layout.display for slider in app.sliders} == {"none"}
    assert_decoded(app)
    assert "Trouser" in app.classes.value
    app.pin.click()
    app.number.value = 1
    app.mix.value = 1
    assert app.problem.value == ""


def test_codes_below_zero_are_decoded(copied):
    """An encoder that ends without a ReLU: what the sliders begin with is the reconstruction."""
    encoder = flat(keras.layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(seed=1)))
    mine = models.autoencoder(encoder, models.decoder(4, 0))
    folder = copied("sample/linear/seed_0", source=AUTOENCODER, model=mine)
    app = explorer.Explorer({"mine": runs.read(folder)}, {})
    assert_decoded(app)
    assert "↔" in app.sliders[0].description


def test_a_model_without_images(copied):
    folder = copied("sample/no_images/seed_0", source=AUTOENCODER, model=flat(keras.layers.Dense(784)))
    good = runs.read(runs.find("model_1"))
    app = explorer.Explorer({"mine": runs.read(folder), "good": good}, {})
    assert "mine is left out: its model returns (784,), not images" in app.problem.value
    assert app.run.value == "good"


def test_the_explorer_names_runs_as_predict(copied, images):
    copied("sample/model_8/seed_1")
    damage(copied("sample/model_1/seed_0", source=AUTOENCODER))
    box = explorer.app(run="sample/model_8")
    choices = [widget for widget in box.children[0].children if hasattr(widget, "options")]
    assert choices[0].options == (AUTOENCODER,)
    assert choices[1].options[0] == "sample/model_8/seed_1", "the one that was asked for"
    for name in choices[1].options:
        fk.predict(images[:1], name)
    assert "1 run is left out" in box.children[-1].value
