import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import OF_KIND, build, compile_model, fitted, small_model

from fmnist_keras import plots, runs, training
from fmnist_keras.runs import ran
from fmnist_keras.tools import predict

STEPS_9 = keras.optimizers.Adam(gradient_accumulation_steps=9)
HALF = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5)
HISTORY = fitted(loss=[0.3, 0.2], val_loss=[0.4, 0.35])


def write(params, sample, mark="0.35", make=lambda params: small_model()):
    """A run's folder, `mark` its validation loss."""
    run, model = runs.start(params), make(params)
    errors = {"image_errors": np.full(len(sample.x_val), float(mark))}
    errors |= {"pixel_errors": np.full((28, 28), float(mark))}
    results = {"train": {"loss": 0.2}, "val": {"loss": float(mark)}} | OF_KIND["autoencoder"] | errors
    return run.write(model, HISTORY, sample, **results)


def test_other_data_departs(tiny, sample):
    """Data that is not what the parameters name is told by its SHA-256."""
    values = tiny("model_1")
    model = build(values)
    compile_model(model, values)
    held = ran.describe(model, SimpleNamespace(params={}))
    other = replace(sample, name="digits", sha256={"x_train": "0"})
    assert ran.departures(values, held, model, other)["data"] == "digits instead of sample"
    assert "data" not in ran.departures(values, held, model, sample)


def trained_small(images, **compiled):
    """Return a new autoencoder of two parts, after a step, and its history; and the two parts."""
    encoder = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    decoder = [keras.Input((2,)), keras.layers.Dense(784), keras.layers.Reshape((28, 28, 1))]
    model = keras.Sequential([keras.Input((28, 28, 1)), encoder, keras.Sequential(decoder)])
    return model, train(model, images, **compiled)


def train(model, images, callbacks=(), **compiled):
    usual = {"optimizer": training.optimizer(), "loss": "mean_squared_error", "run_eagerly": True}
    model.compile(**usual | compiled)
    ours = [*training.callbacks(), *callbacks]
    return model.fit(images, images, validation_data=(images, images), callbacks=ours, verbose=0)


def train_within(model, images):
    train(keras.Sequential([keras.Input((28, 28, 1)), *model.layers]), images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (train_within, "has made 2 training steps, and its history has 1"),
        (
            lambda model, _: model.set_weights([w + 1 for w in model.get_weights()]),
            "the weights were changed",
        ),
        (lambda model, _: model.compile("adam", "mae"), "the loss or the layers that train were changed"),
        (lambda model, _: setattr(model.layers[0], "trainable", False), "the layers that train were changed"),
    ],
)
def test_what_changes_after_fit(images, change, words):
    """A history is that of the weights, the loss and the layers that `fit` left, also within other models."""
    model, history = trained_small(images[:8])
    assert ran.contradiction(model, history, None) == ""
    change(model, images[:8])
    assert words in ran.contradiction(model, history, None)


def test_layers_trained_before(images):
    """A new model around them is not an untrained one."""
    model, _ = trained_small(images[:8])
    around = keras.Sequential([keras.Input((28, 28, 1)), *model.layers])
    history = train(around, images[:8])
    assert "has made 2 training steps, and its history has 1" in ran.contradiction(around, history, None)


@pytest.fixture
def set_policy():
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def own_mean(given, made):
    return keras.ops.mean(keras.ops.abs(given - made))


own_mean.__name__ = "mean_squared_error"


@pytest.mark.parametrize(
    ("part", "words", "compiled"),
    [
        ("optimizer", "learning_rate=0.001, 0.5 from epoch 1)", {"callbacks": [HALF]}),
        (
            "optimizer",
            "gradient_accumulation_steps=9",
            {"optimizer": STEPS_9},
        ),
        ("loss", "mean_squared_error times 3.0", {"loss_weights": 3.0}),
        ("loss", "own mean_squared_error", {"loss": own_mean}),
        ("dtype", "mixed_bfloat16 instead of float32", {}),
    ],
)
def test_what_changes_the_result_departs(tiny, images, set_policy, part, words, compiled):
    set_policy("mixed_bfloat16" if part == "dtype" else "float32")
    model, history = trained_small(images[:8], **compiled)
    assert words in ran.departures(tiny("model_1"), ran.describe(model, history), model)[part]


def test_float16_departs_in_nothing(tiny, set_policy):
    """Keras wraps the optimizer that it is given."""
    params = tiny("model_1", dtype_policy="mixed_float16")
    set_policy(params.dtype_policy)
    model = build(params)
    compile_model(model, params)
    assert ran.departures(params, ran.describe(model, SimpleNamespace(params={})), model) == {}


@pytest.mark.parametrize(
    "call",
    [
        lambda encoder, decoder, images: (decoder(encoder(images)) + images) / 2,
        lambda encoder, decoder, images: decoder(encoder(images) * 2),
        lambda encoder, decoder, images: decoder(encoder(images, training=True)),
    ],
)
def test_only_a_chain_has_halves(call):
    """Of the same layers, otherwise called, decoding the codes does not give the model's images."""
    encoder, decoder = small_model().layers
    given = keras.Input((28, 28, 1))
    plain, other = (
        keras.Model(given, decoder(encoder(given))),
        keras.Model(given, call(encoder, decoder, given)),
    )
    assert training.halves(plain) == [encoder, decoder]
    assert training.halves(other) is None
    assert ran._layers(plain) == ran._layers(small_model()) != ran._layers(other)


def test_a_run_is_recorded(tiny, reports, sample):
    """Its folder holds what DESIGN section 5 says, and nothing is left over beside it."""
    values = tiny("model_1", seed=3, epochs=2)
    model = build(values)
    folder = write(values, sample, make=lambda params: model)
    assert folder == reports / "test" / "model_1" / "seed_3"
    metrics = json.loads((folder / "metrics.json").read_text())
    expected = {"schema_version": 3, "model": "model_1", "kind": "autoencoder", "suite": "test", "seed": 3}
    expected |= {"epochs_run": 2, "best_epoch": 2, "stopped_early": False, "train": {"loss": 0.2}}
    expected |= {"parameters": {"total": 116_417, "trainable": 116_417}, "val": {"loss": 0.35}}
    assert expected.items() <= metrics.items()
    assert (metrics["params"]["latent_dim"], metrics["seconds"]["fit"]) == (64, 1.5)
    assert (metrics["data"]["sha256"], metrics["versions"]["keras"]) == (sample.sha256, keras.__version__)
    history = pd.read_csv(folder / "history.csv")
    assert (list(history), history.epoch.tolist()) == (["epoch", "loss", "val_loss"], [1, 2])
    encoder = keras.saving.load_model(folder / "encoder.keras")  # safe mode is on
    for saved, ours in zip(encoder.get_weights(), model.layers[0].get_weights()):
        np.testing.assert_array_equal(saved, ours)
    assert metrics["encoder_sha256"] == runs.weights_sha256(encoder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["seed_3"]


@pytest.mark.skipif(os.name != "posix", reason="what modes are POSIX has")
def test_modes_follow_the_umask(tiny, reports, sample):
    """In a group's folder the next person replaces the run, and clears away what a killed one left."""
    usual = os.umask(0o002)
    try:
        folder = write(tiny("model_1"), sample)
        with runs.locks.hidden_folder(folder, "job") as left:
            paths = [folder.parents[1], folder.parent, folder, *folder.rglob("*"), left, left / "lock"]
            assert [path for path in paths if not path.stat().st_mode & 0o020] == []
    finally:
        os.umask(usual)


def test_a_folder_that_cannot_be_written(tiny, tmp_path, monkeypatch):
    """At the start, not after training."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "file"))
    with pytest.raises(runs.RunError, match=r"seed_0 cannot be written \(Not a directory\); set REPORTS_DIR"):
        runs.start(tiny("model_1"))


def test_seconds_are_a_run_s_own(tiny, reports, sample, monkeypatch):
    """An hour lies between two runs of one kernel."""
    now = iter([100, 110, 3700, 3705])
    monkeypatch.setattr(runs.folder.time, "perf_counter", lambda: next(now))
    for seconds in (10, 5):
        folder = write(tiny("model_1"), sample)
        assert runs.read(folder)["seconds"]["total"] == seconds


def test_cells_run_again_replace_figures(tiny, reports, sample):
    """A figure cell after the last one still shows; `fit` and what follows it, run again, replace the run."""
    run = runs.start(tiny("model_1"))
    model, results = small_model(), {"train": {"loss": 0.1}, "val": {"loss": 0.1}}
    results |= OF_KIND["autoencoder"]

    def finish(*names):
        history = fitted(loss=[0.1], val_loss=[0.1], best_epoch=1)
        history.began = time.perf_counter()
        for name in names:
            run.show(name, plots.examples(sample.x_val[:3], sample.y_val[:3]))
        folder = run.write(model, history, sample, **results)
        return sorted(path.name for path in (folder / "figures").iterdir())

    assert finish("first", "second") == ["first.png", "second.png"]
    assert (
        run.show("first", plots.examples(sample.x_val[:2], sample.y_val[:2]))
        .get_label()
        .startswith("2 images")
    )
    assert finish("second") == ["second.png"]  # what is older than this fit shows another model
    assert [path.name for path in run.folder.parent.iterdir()] == ["seed_0"]


def test_a_later_run_replaces_an_earlier(tiny, reports, sample, monkeypatch):
    """One that dies on the way, or whose move fails, leaves the earlier one whole."""
    folder = write(tiny("model_1"), sample, "0.35")

    def die(*args):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(runs.folder, "publish", die)
        with pytest.raises(OSError, match="No space left"):
            write(tiny("model_1"), sample, "0.11")
    with pytest.raises(OSError, match="gone"):
        runs.publish(reports / "gone", folder)
    assert runs.read(folder)["val"]["loss"] == 0.35
    assert write(tiny("model_1"), sample, "0.11") == folder
    assert runs.read(folder)["val"]["loss"] == 0.11
    assert sorted(path.name for path in folder.parent.iterdir()) == ["seed_0"]


def test_a_killed_rename_loses_nothing(tiny, reports, sample):
    folder = write(tiny("model_1"), sample)
    folder.rename(folder.with_name(".seed_0.old"))
    assert runs.read(folder)["val"]["loss"] == 0.35


@pytest.fixture
def finished(tiny, sample, reports):
    """The folder of a run of model 4."""
    return write(tiny("model_4"), sample, make=build)


def test_another_run_s_encoder_is_refused(finished, tiny, sample):
    """It is put aside, so that the engine trains it again."""
    other = write(tiny("model_4", seed=1), sample, make=build)
    params = tiny("model_7")
    assert runs.load_encoder(params).count_params() == 107_328
    (other / "encoder.keras").replace(finished / "encoder.keras")
    with pytest.raises(runs.RunError, match=r"encoder\.keras does not match its run"):
        runs.load_encoder(params)
    assert not (finished / "encoder.keras").exists()


def test_a_folder_may_be_a_link_anywhere(finished, monkeypatch):
    monkeypatch.setattr(Path, "resolve", lambda path: Path("/run"))
    assert runs.check(finished)["model"] == "model_4"


def test_code_in_a_file_is_refused(finished, tiny, tmp_path):
    touched = tmp_path / "touched"
    code = keras.layers.Lambda(lambda x, path=str(touched): (open(path, "w"), x)[1])  # noqa: SIM115
    evil = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), code])
    assert touched.exists(), "the code runs, where it is let"
    for name in ("encoder.keras", "model.keras"):
        evil.save(finished / name)
    touched.unlink(missing_ok=True)
    with pytest.raises(runs.RunError, match=r"encoder\.keras cannot be loaded: .*safe"):
        runs.load_encoder(tiny("model_7"))
    with pytest.raises(runs.RunError, match=r"model\.keras cannot be loaded: .*safe"):
        predict.load_model(finished)
    assert not touched.exists()


def test_run_dir_says_the_place(tiny, reports, sample):
    """A folder that contains no run is not replaced; a run takes an earlier one's place."""
    for _ in range(2):
        folder = write(tiny("model_1", run_dir="elsewhere/here"), sample)
        assert folder == reports / "elsewhere" / "here"
    (reports / "mine").mkdir()
    (reports / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(runs.RunError, match=r"run_dir: .*mine contains no run and would be replaced"):
        runs.start(tiny("model_1", run_dir="mine"))
    with pytest.raises(runs.RunError, match=r"run_dir: '\.\./away' is not allowed; allowed: an absolute"):
        runs.start(tiny("model_1", run_dir="../away"))
    assert not (reports.parent / "away").exists()


def test_runs_are_read_in_natural_order(tiny, reports, sample):
    for model, seed in (("model_10", 0), ("model_2", 1), ("model_2", 0)):
        write(replace(tiny("model_1"), model=model, seed=seed), sample)
    found = [(m["model"], m["seed"]) for m in runs.read_all("test")[0]]
    assert found == [("model_2", 0), ("model_2", 1), ("model_10", 0)]
    assert list(runs.read_history(reports / "test" / "model_2" / "seed_0")) == ["loss", "val_loss"]
