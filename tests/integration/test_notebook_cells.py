"""The notebooks' cells as people run them: changed, in another order, again, with other layers."""

import json
import os
import signal

import nbformat
import numpy as np
import pandas as pd
import pytest

import fmnist_keras as fk
from fmnist_keras import runs
from fmnist_keras.report import attempts
from fmnist_keras.runs import ran

THREE_BLOCKS = """
encoder = keras.Sequential([
    keras.Input((28, 28, 1)),
    keras.layers.Conv2D(8, 3, activation="relu", padding="same"), keras.layers.MaxPooling2D(2),
    keras.layers.Conv2D(16, 3, activation="relu", padding="same"), keras.layers.BatchNormalization(),
    keras.layers.MaxPooling2D(2),
    keras.layers.Conv2D(16, 3, activation="relu", padding="same"), keras.layers.MaxPooling2D(2),
    keras.layers.Flatten(), keras.layers.Dense(params.latent_dim),
])
decoder = keras.Sequential([
    keras.Input((params.latent_dim,)), keras.layers.Dense(784, activation="sigmoid"),
    keras.layers.Reshape((28, 28, 1)),
])
autoencoder = fk.models.autoencoder(encoder, decoder)
"""
FLAT = """
autoencoder = keras.Sequential([
    keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(8, activation="relu"),
    keras.layers.Dense(784, activation="sigmoid"), keras.layers.Reshape((28, 28, 1)),
])
"""
MODEL = "encoder = fk.models.encoder(params.latent_dim"


class Notebook:
    """The code cells of a notebook in a namespace of their own, run by section as a person would.

    Args:
        kind: "autoencoder" or "classifier".
        values: parameters, as if written into the parameters cell.
    """

    def __init__(self, kind, **values):
        self.sections, section = {}, None
        for cell in nbformat.read(runs.ROOT / "notebooks" / f"{kind}.ipynb", 4).cells:
            if cell.cell_type == "markdown" and cell.source.startswith("## "):
                section = self.sections.setdefault(cell.source.splitlines()[0].removeprefix("## "), [])
            elif cell.cell_type == "code":
                section.append(cell.source)
        self.names = {"__name__": "__main__"}
        self.change(**{"limit": 64, "batch_size": 32} | values)

    def change(self, **values):
        """Run the parameters cell again, with other values."""
        if "run" not in self.names:
            self.run("Parameters")
        self.names |= values
        return self

    def run(self, *sections, **replaced):
        """Run sections' cells; a cell that contains `old` is replaced: `run("Model", old=..., new=...)`."""
        for name in sections:
            for source in self.sections[name]:
                if replaced and replaced["old"] in source:
                    whole = replaced.get("whole", False)
                    source = replaced["new"] if whole else source.replace(replaced["old"], replaced["new"])
                exec(compile(source, name, "exec"), self.names)
        return self

    def all_from(self, first, **replaced):
        """Run a section and all below it but for the comparison, which is as long as all others."""
        names = [name for name in self.sections if name != "Compare"]
        return self.run(*names[names.index(first) :], **replaced)

    @property
    def results(self):
        """Return what the last cell of "The run's files" hands to `finish`."""
        scores = {"train": "train_scores", "val": "val_scores"}
        needed = ran.NEEDED[self.names["params"].kind]
        return {name: self.names[scores.get(name, name)] for name in needed}

    @property
    def made(self):
        """Return the model, its history and the data set."""
        return [self.names[name] for name in (self.names["params"].kind, "history", "dataset")]

    def training(self):
        """Return the text on how training went."""
        scores = [self.names[name] for name in ("train_scores", "val_scores")]
        return fk.report.text.training(self.names["run"], *self.made[:2], *scores)

    @property
    def metrics(self):
        """What the reader reads of the run's folder."""
        return runs.check(self.names["folder"])


def run_all(kind="autoencoder", **values):
    return Notebook(kind, **{"epochs": 1} | values).all_from("Setup")


def names(suite="scratch"):
    return sorted(path.name for path in (runs.reports_dir() / suite).glob("[!.]*/"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No graph is traced for two steps, and no figure is rendered: these take most of the time."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    monkeypatch.setattr(runs.Run, "show", lambda run, name, figure: figure)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("kind", ["autoencoder", "classifier"])
def test_learning_nothing_fails_nbval(reports, capsys, kind):
    """With a millionth of the learning rate the last checked cell of Evaluation prints something else."""
    cells = nbformat.read(runs.ROOT / "notebooks" / f"{kind}.ipynb", 4).cells
    (reached,) = (cell.outputs[0].text for cell in cells if cell.id == f"{kind}-reached")
    values = {"encoder_from": None} if kind == "classifier" else {}
    book = Notebook(kind, limit=256, epochs=1, learning_rate=0.001e-6, **values)
    book.run("Setup", "Data", "Model", "Training", "Evaluation")
    assert reached.endswith(": True\n")
    assert reached.replace("True", "False") in capsys.readouterr().out


def test_a_parameter_as_a_word(reports):
    """papermill -p hands over `false` as text, which Python takes for true."""
    book = run_all("classifier", train_encoder="false", encoder_from=None)
    assert book.metrics["params"]["train_encoder"] is False
    assert book.metrics["parameters"]["trainable"] == 650
    assert book.metrics["ran"]["departs"] == {}
    assert "train_encoder false" in fk.report.text.heading(book.names["run"])


def test_parameters_changed_after_the_start(reports, capsys):
    """The parameters cell run again, then "Model" and all below: what ran is recorded, and said."""
    book = run_all(latent_dim=64)
    before = book.metrics
    book.change(latent_dim=8, epochs=3).all_from("Model")
    assert (
        "`latent_dim = 8` was not used; to train with it, run the cell with `run = "
        in capsys.readouterr().out
    )
    assert book.metrics["params"]["latent_dim"] == book.metrics["ran"]["latent_dim"] == 64
    assert book.metrics["parameters"] == before["parameters"]
    assert (book.metrics["epochs_run"], names()) == (1, ["tiny_autoencoder-batch_size_32-epochs_1-limit_64"])


def test_an_old_model_after_start(reports):
    """`run = …` run again with other parameters, and no Model cell: another model than asked."""
    book = run_all(latent_dim=64)
    book.change(latent_dim=8).run("Setup", "The run's files")
    assert book.metrics["params"]["latent_dim"] == 8
    assert book.metrics["ran"]["latent_dim"] == 64
    assert "116,417 parameters instead of 26,761" in book.metrics["ran"]["departs"]["layers"]
    name = book.names["folder"].parent.name
    assert name.endswith("latent_dim_8-limit_64-own_layers-116417_parameters")
    assert len(names()) == 2


def test_a_history_of_another_model(reports):
    """Run all, run Model again, stop Training without our callbacks, run the rest: an old history."""
    book = run_all()
    folder = book.names["folder"]
    before = (folder / "metrics.json").read_bytes()
    with pytest.raises(runs.RunError, match="this history is of another model: run the Training cell"):
        book.run("Model", "Evaluation", "Results", "The run's files", old="autoencoder.summary", new=COMPILE)
    assert (folder / "metrics.json").read_bytes() == before


def test_training_twice(reports):
    """The Training cells run again without Model: the weights trained longer than the history says."""
    book = run_all(epochs=2)
    with pytest.raises(runs.RunError, match="has made 8 training steps, and its history has 4"):
        book.all_from("Training")
    results = {"train": {"loss": 9.0}, "val": {"loss": 9.0}}
    kept = book.names["run"].finish(*book.made, keep=True, **results)
    assert kept == reports / "scratch" / "unfinished" / "seed_0"
    assert runs.check(kept)["val"]["loss"] < 1
    assert "has made 8 training steps" in attempts.table()["changed"].str.cat()
    book.names["autoencoder"].compile("adam", "mean_squared_error")  # a new optimizer counts from 0
    with pytest.raises(runs.RunError, match="training steps"):
        book.all_from("Training")


def test_evaluation_cells_not_run_again(reports):
    book = run_all()
    with pytest.raises(runs.RunError, match=r"train loss \S+ is not this model's, which has"):
        book.run("Model", "Training", "The run's files")


def test_results_of_another_model(reports):
    """Or without what those who read a run need."""
    book = run_all("classifier", encoder_from=None)
    other = book.results | {"predictions": (book.names["predictions"] + 1) % 10}
    with pytest.raises(runs.RunError, match="predictions are not this model's on this data set"):
        book.names["run"].finish(*book.made, **other)
    del other["predictions"]
    with pytest.raises(runs.RunError, match="predictions is missing: run the evaluation cells"):
        book.names["run"].finish(*book.made, **other)


def test_another_loss(reports, capsys, monkeypatch):
    """It is named, on the page, in the folder's name and in `compare`, and the run is read by everybody."""
    book = run_all()
    usual = book.metrics["model"]
    assert book.metrics["ran"]["departs"] == {}
    book.all_from("Model", old='"mean_squared_error"', new='"binary_crossentropy"')
    assert f"Kept as {usual}-loss_binary_crossentropy\n" in capsys.readouterr().out
    assert book.metrics["ran"]["departs"] == {"loss": "binary_crossentropy instead of mean_squared_error"}
    assert "Its binary crossentropy is **0." in book.training()
    assert "Loss: **binary_crossentropy** (asked: mean_squared_error)" in book.training()
    assert (attempts.table()["mean squared error"] < 0.3).all()
    assert runs.not_counted(book.metrics) == "loss: binary_crossentropy instead of mean_squared_error"
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *given: shown.extend(given))
    fk.report.compare("scratch")
    titles = [given.get_label().split(" by epoch")[0] for given in shown if hasattr(given, "get_label")]
    assert titles == ["Validation loss", "Validation loss, binary crossentropy"], "one a loss"
    book.all_from("Model")  # the notebook's own loss again: under the usual name
    assert (book.metrics["model"], names()) == (usual, [usual, f"{usual}-loss_binary_crossentropy"])
    book.all_from("Model", old='"mean_squared_error"', new='"cosine_similarity"')
    assert book.metrics["val"]["loss"] < 0
    assert runs.table("scratch").attrs["left_out"] == []


OURS = "*fk.training.callbacks(patience=None, restore_epoch=params.restore_epoch)"
COMPILE = 'autoencoder.compile("adam", "mean_squared_error")\nautoencoder.summary'


def test_another_optimizer(reports):
    """What `fit` began with counts, and the rates that callbacks set since."""
    call = "fk.training.optimizer(params.optimizer, params.learning_rate, params.epsilon)"
    book = run_all().all_from("Model", old=call, new="keras.optimizers.RMSprop(0.01)")
    asked = "Adam(beta_1=0.9, beta_2=0.999, epsilon=1e-08, learning_rate=0.001)"
    ran = "RMSprop(epsilon=1e-07, learning_rate=0.01, rho=0.9)"
    assert book.metrics["ran"]["departs"] == {"optimizer": f"{ran} instead of {asked}"}
    lower = "callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)] + "
    book.all_from("Model", old="callbacks=", new=lower)
    ran = asked.replace("0.001", "0.001, 0.0005 from epoch 1")
    assert book.metrics["ran"]["departs"] == {"optimizer": f"{ran} instead of {asked}"}


def test_own_layers_from_end_to_end(reports, capsys):
    """Three blocks in the model cell: a folder of their own. A classifier starts from its encoder."""
    first = run_all()
    before = (first.names["folder"] / "metrics.json").read_bytes()
    book = Notebook("autoencoder", epochs=1).all_from("Setup", old=MODEL, new=THREE_BLOCKS, whole=True)
    assert set(book.metrics["ran"]["departs"]) == {"layers"}
    assert "own_layers-" in book.names["folder"].parent.name
    label = fk.plots.curves(book.names["history"]).axes[0].lines[0].get_label()
    assert ("dropout on" in book.training(), label) == (False, "training"), "these layers drop nothing"
    assert (first.names["folder"] / "metrics.json").read_bytes() == before
    assert len(attempts.table()) == 2
    classifier = run_all("classifier", encoder_from=f"scratch/{book.metrics['model']}")
    assert classifier.metrics["started_from_sha256"] == book.metrics["encoder_sha256"]
    assert "layers" in classifier.metrics["ran"]["departs"]
    assert "validation accuracy" not in attempts.table(), "of an autoencoder"
    assert fk.load_model(book.metrics["model"]).count_params() == book.metrics["parameters"]["total"]
    labels, _ = fk.predict(book.names["x_val"][:2], classifier.metrics["model"])
    assert labels.shape == (2,)


def test_a_flat_autoencoder(reports):
    """It has no encoder of its own: what needs one says so, and the notebook runs to its end."""
    book = Notebook("autoencoder", epochs=1).all_from("Setup", old=MODEL, new=FLAT, whole=True)
    assert "encoder_sha256" not in book.metrics
    assert book.names["codes"].shape == (64, 0)
    with pytest.raises(runs.RunError, match="is not an encoder followed by a decoder"):
        run_all("classifier", encoder_from=book.metrics["model"])


def test_a_classifier_of_ones_own(reports):
    """Dense layers after the encoder, or another encoder than the one that was loaded."""
    call = "trainable = sum("
    dense = "classifier = keras.Sequential([encoder, *[keras.layers.Dense(n) for n in (64, 64, 64, 10)]])\n"
    book = Notebook("classifier", epochs=1, encoder_from=None).all_from("Setup", old=call, new=dense + call)
    assert set(book.metrics["ran"]["departs"]) == {"layers"}
    assert runs.not_counted(book.metrics)
    run_all()
    book = Notebook("classifier", epochs=1, encoder_from=(first := names()[0]))
    call = "encoder = run.load_encoder()"
    own = "encoder = fk.models.encoder(params.latent_dim, params.dropout)"
    for new in (f"{call}\n{own}", own):  # loaded and left, or never loaded
        book.all_from("Setup", old=call, new=new)
        assert book.metrics["ran"]["departs"] == {"encoder": f"not the encoder of {first}"}


DENSE = "keras.layers.Dense(1, kernel_initializer=lambda shape, dtype=None: keras.ops.ones(shape))"


@pytest.mark.parametrize("layer", ["keras.layers.Lambda(lambda x: x)", "Own()", DENSE])
def test_an_unsaved_layer_is_refused(reports, layer):
    """It is refused when `fit` begins, not after it."""
    own = (
        f"class Own(keras.layers.Layer):\n    pass\n\nautoencoder = keras.Sequential([autoencoder, {layer}])"
    )
    book = Notebook("autoencoder", epochs=1).run("Setup", "Data", "Model")
    exec(own, book.names)
    with pytest.raises(fk.training.UnsavedLayer, match="would not load again from a file; use one of Keras"):
        book.run("Training")
    assert "history" not in book.names


def test_a_sweep_by_hand(reports):
    """Each has a folder, whichever came first; the same again takes its own."""
    for latent_dim in (32, 16, 32):
        run_all(suite="mia", latent_dim=latent_dim)
    usual = "tiny_autoencoder-batch_size_32-epochs_1"
    assert names("mia") == [f"{usual}-latent_dim_{n}-limit_64" for n in (16, 32)]


def test_a_file_that_loads_otherwise(reports, monkeypatch):
    """Keras before 3.14 saves no `output_padding`: the run is refused, and the earlier one stays."""
    book = run_all()
    before = (book.names["folder"] / "metrics.json").read_bytes()
    kind = fk.layers.Conv2DTranspose
    whole = kind.get_config
    monkeypatch.setattr(kind, "get_config", lambda self: whole(self) | {"output_padding": None})
    with pytest.raises(runs.RunError, match=r"gives other outputs, of shape \(8, 25, 25, 1\)"):
        book.all_from("Model")
    assert (book.names["folder"] / "metrics.json").read_bytes() == before
    assert len(names()) == 1


def test_a_failed_start_leaves_nothing(reports):
    with pytest.raises(runs.RunError):
        Notebook("classifier", encoder_from="nowhere", latent_dim=7).run("Setup", "Data", "Model")
    assert list(reports.iterdir()) == []


def interrupt_at(step):
    """Return a callback that interrupts as Jupyter does, in the batch of this number over all epochs."""

    class Interrupt(keras_callback()):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            if self.seen == step:
                os.kill(os.getpid(), signal.SIGINT)

    return Interrupt()


def keras_callback():
    import keras

    return keras.callbacks.Callback


@pytest.fixture
def at_a_prompt(monkeypatch):
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest may have been started by `&`
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_fit(reports, at_a_prompt, capsys):
    """The cut epoch is marked and never the best; the best weights are restored, and the run is kept."""
    book = Notebook("autoencoder", epochs=9, batch_size=16).run("Setup", "Data", "Model")
    book.names["interrupt"] = interrupt_at(10)  # 4 steps an epoch: in the third
    book.names["fk"].training.steps_per_execution, usual = lambda: 1, fk.training.steps_per_execution
    try:
        book.run("Training", old="callbacks=", new="callbacks=[interrupt] + ")
    finally:
        fk.training.steps_per_execution = usual
    history = book.names["history"]
    assert (history.interrupted, len(history.epoch)) == (3, 2)
    said = f"interrupted in epoch 3; the weights of epoch {history.restored_epoch} are restored\n"
    assert capsys.readouterr().out.endswith(said)
    book.run("Evaluation", "Results", "The run's files")
    assert book.metrics["interrupted"]
    assert (book.metrics["epochs_run"], book.metrics["restored_epoch"]) == (2, book.metrics["best_epoch"])
    assert book.names["folder"].parent.name.endswith("-interrupted")
    assert np.isclose(min(history.history["val_loss"]), book.names["val_scores"]["loss"], rtol=1e-3)
    assert "interrupted in epoch 3" in attempts.table()["changed"][0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_after_the_end(reports, at_a_prompt, capsys):
    """In the validation after the last epoch nothing is left to cut: the run is a whole one."""
    book = Notebook("autoencoder", epochs=1).run("Setup", "Data", "Model")

    class Interrupt(keras_callback()):
        def on_test_begin(self, logs=None):
            os.kill(os.getpid(), signal.SIGINT)

    book.names["interrupt"] = Interrupt()
    book.run("Training", old="early_stopping],", new="early_stopping, interrupt],")
    assert book.names["history"].interrupted is None
    assert "interrupted" not in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_without_our_callbacks(reports, at_a_prompt):
    book = Notebook("autoencoder", epochs=9, batch_size=16).run("Setup", "Data", "Model")
    book.names["interrupt"] = interrupt_at(2)
    with pytest.raises(KeyboardInterrupt):
        book.run("Training", old=OURS, new="interrupt")


def test_a_restored_epoch(reports):
    """Its weights are the result, while training goes on: they are those that the model had then."""
    book = Notebook("autoencoder", epochs=3, restore_epoch=2).run("Setup", "Data", "Model")
    book.names["kept"] = kept = []
    save = "callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: kept.append("
    save += "[w.copy() for w in autoencoder.get_weights()]))] + "
    book.run("Training", old="callbacks=", new=save).run("Evaluation", "Results", "The run's files")
    assert (book.metrics["epochs_run"], book.metrics["restored_epoch"]) == (3, 2)
    assert book.metrics["best_epoch"] == 3
    for now, then in zip(book.names["autoencoder"].get_weights(), kept[1]):
        np.testing.assert_array_equal(now, then)
    assert "the weights of epoch 2 are restored, the best one is 3." in book.training()


def test_an_epoch_never_reached(reports):
    """Training stops before it: the run is refused, and kept on request."""
    book = Notebook("autoencoder", epochs=4, patience=1, min_delta=1.0, restore_epoch=4)
    with pytest.raises(runs.RunError, match="restore_epoch is 4, but training ended after epoch 2"):
        book.all_from("Setup")
    kept = book.names["run"].finish(*book.made, keep=True, **book.results)
    assert kept == reports / "scratch" / "unfinished" / "seed_0"


def test_callbacks_of_ones_own(reports):
    """Without ours the run is kept too: the epochs are those of the history, the weights the last ones."""
    book = Notebook("autoencoder", epochs=2).all_from("Setup", old=f"{OURS}, ", new="")
    assert (book.metrics["epochs_run"], book.metrics["seconds"]["fit"]) == (2, None)
    losses = book.names["history"].history["val_loss"]
    assert book.metrics["restored_epoch"] == np.argmin(losses) + 1


@pytest.mark.parametrize(
    ("given", "blank"),
    [("", [True, True]), ("validation_data=(x_val, x_val), validation_freq=2,", [True, False])],
)
def test_validation_now_and_then(reports, given, blank):
    """Keras warns that nothing stops the training; nobody says that it diverged."""
    usual = "validation_data=val,"
    with pytest.warns(
        UserWarning, match="Early stopping conditioned on metric `val_loss` which is not available"
    ):
        book = Notebook("autoencoder", epochs=2).all_from("Setup", old=usual, new=given)
    history = pd.read_csv(book.names["folder"] / "history.csv")
    assert history.get("val_loss", pd.Series([np.nan, np.nan])).isna().tolist() == blank
    assert len(json.loads((book.names["folder"] / "metrics.json").read_text())["ran"]["layers"]) == 2


def test_latest_says_what_it_takes(reports):
    """The last autoencoder does not fit: an earlier one that does is named. File dates say nothing."""
    run_all()
    fitting = names()[0]
    metrics = reports / "scratch" / fitting / "seed_0" / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"finished": "20', '"finished": "19'))
    other = run_all(latent_dim=8).names["folder"]
    os.utime(other / "metrics.json", (1, 1))
    book = Notebook("classifier").run("Setup")
    assert book.names["params"].encoder_from == fitting
    (note,) = book.names["run"].notes
    assert "(latent_dim 8, seed 0, data fashion_mnist_sample), does not fit latent_dim 64" in note
    assert f"this starts from {fitting}, which was trained earlier" in note
    assert "which was trained earlier" in fk.report.text.heading(book.names["run"])
