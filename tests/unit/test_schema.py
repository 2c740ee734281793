"""`metrics.json`: schema 3, and how runs of schema 2 are read as such."""

import copy
import json
import shutil

import numpy as np
import pytest

from fmnist_keras import evaluation, runs
from fmnist_keras.runs import record

HELD = {"autoencoder": "model_1", "classifier": "model_5"}
RAN = {"layers": [], "trainable": "", "loss": "mean_squared_error", "optimizer": "", "latent_dim": 64}
RAN |= {"epochs": 40, "steps_per_epoch": 600, "departs": {}}


def landed(kind):
    folder = runs.ROOT / "reports" / "paper" / HELD[kind] / "seed_0"
    return record.upgrade(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


def schema_2(metrics):
    """The same run as schema 2 had it."""
    new = ("base", "changes", "ran", "finished", "interrupted", "restored_epoch", "data")
    old = {name: value for name, value in metrics.items() if name not in new}
    old |= {"schema_version": 2, "data_sha256": metrics["data"]["sha256"]}
    for name in ("labels", "predictions"):
        if name in old:
            old[name] = "".join(map(str, evaluation.unpack_labels(old[name])))
    return old


@pytest.fixture
def put(reports):
    """Puts metrics into a run's folder, with a landed history beside them, and gives the folder."""

    def write(metrics, history=None):
        folder = runs.run_dir("paper", metrics["model"], 0)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        name = HELD[metrics["kind"]]
        shutil.copy(runs.ROOT / "reports" / "paper" / name / "seed_0" / "history.csv", folder)
        if history is not None:
            (folder / "history.csv").write_text(history, encoding="utf-8")
            metrics = metrics | {"history_sha256": record.text_sha256(folder / "history.csv")}
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        return folder

    return write


def test_labels_are_packed_and_unpacked():
    labels = np.arange(10_000) % 10
    text = evaluation.pack_labels(labels)
    np.testing.assert_array_equal(evaluation.unpack_labels(text), labels)
    for damaged in ("?", "AAAA", text[: len(text) // 8 * 4]):
        with pytest.raises(ValueError, match="damaged labels|base64"):
            evaluation.unpack_labels(damaged)


@pytest.mark.parametrize("kind", HELD)
def test_schema_2_is_read(kind, put):
    """Whoever has runs of schema 2 keeps them: readers see schema 3 alone."""
    new = landed(kind)
    found = runs.check(put(schema_2(new)))
    assert found.pop("folder")
    assert found == new | {"ran": None, "finished": None, "base": new["model"], "changes": {}}


def test_schema_2_is_an_experiment_by_name(put):
    """Its name says what a point changes; one that says something else is a model's."""
    old = schema_2(landed("classifier"))
    for name, base, changes in (
        ("model_5-encoder_epochs_15-epochs_40", "model_5", {"encoder.epochs": 15, "epochs": 40}),
        ("model_5-epochs_15", "model_5-epochs_15", {}),
    ):
        found = runs.check(put(old | {"model": name}))
        assert (found["base"], found["changes"]) == (base, changes)


def test_rows_of_pixel_errors_are_packed(put):
    """Runs before November 2026 had 28 rows of numbers."""
    new = landed("autoencoder")
    rows = evaluation.unpack(new["pixel_errors"]).reshape(28, 28).tolist()
    found = runs.check(put(schema_2(new) | {"pixel_errors": rows}))
    assert found["pixel_errors"] == new["pixel_errors"]


@pytest.mark.parametrize("kind", HELD)
def test_what_ran_is_read(kind, put):
    new = landed(kind) | {"ran": RAN | {"departs": {"layers": "own layers"}}}
    new |= {"finished": "2026-11-30T12:00:00+00:00", "base": "model_1", "changes": {"patience": 40}}
    new["seconds"] = {"fit": None, "total": 1.5}
    found = runs.check(put(new))
    assert runs.departs(found) == {"layers": "own layers"}
    assert runs.departs(landed(kind) | {"ran": None}) == {}


def changed(path, value):
    def change(metrics):
        *outer, last = path.split(".")
        place = metrics
        for name in outer:
            place = place[name]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("classifier", lambda m: m.pop("base"), "base"),
        ("classifier", lambda m: m.pop("ran"), "ran"),
        ("classifier", changed("changes", None), "changes"),
        ("classifier", changed("ran", {"layers": []}), "ran"),
        ("classifier", changed("finished", "yesterday"), "finished"),
        ("classifier", changed("interrupted", "no"), "interrupted"),
        ("classifier", changed("restored_epoch", 0), "restored_epoch"),
        ("classifier", changed("data", {"name": "fashion_mnist"}), "data"),
        ("classifier", changed("confusion", [[1, 2], [3]]), "confusion is not square"),
        ("classifier", changed("labels", "0123456789"), "labels: "),
        ("classifier", changed("predictions", evaluation.pack_labels([1, 2])), "2 values, 10000 images"),
        ("autoencoder", changed("pixel_errors", [[0.1] * 28] * 28), "pixel_errors"),
        ("autoencoder", changed("image_errors", evaluation.pack([0.1] * 3)), "3 values, 10000 images"),
        ("autoencoder", changed("val.loss", 0.9), "their mean is"),
    ],
)
def test_damaged_metrics_are_named(kind, change, words, put):
    metrics = copy.deepcopy(landed(kind))
    change(metrics)
    with pytest.raises(runs.RunError, match=f"metrics.json is not a valid run: .*{words}"):
        runs.check(put(metrics))


@pytest.mark.parametrize("change", [{"labels": 7}, {"labels": "año"}, {"best_epoch": None}, {"params": []}])
def test_damaged_schema_2_is_named(change, put):
    with pytest.raises(runs.RunError, match=r"metrics\.json is not a valid run"):
        runs.check(put(schema_2(landed("classifier")) | change))


def test_another_loss_is_no_mean_of_errors(put):
    """With a loss of one's own, the images' squared errors have another mean than the loss."""
    metrics = landed("autoencoder") | {"ran": RAN | {"loss": "binary_crossentropy"}, "val": {"loss": 0.9}}
    assert runs.check(put(metrics))["val"]["loss"] == 0.9


@pytest.mark.parametrize("classes", [2, 17])
def test_any_number_of_classes_counts(classes, put):
    metrics = landed("classifier")
    metrics["confusion"] = np.eye(classes, dtype=int).tolist()
    metrics["labels"] = evaluation.pack_labels(np.arange(10_000) % classes)
    assert len(runs.check(put(metrics))["confusion"]) == classes


def test_a_history_may_lack_validation(put):
    """`fit` without validation data, or with `validation_freq=2`, gives a loss an epoch and no more."""
    metrics = landed("classifier") | {"epochs_run": 2, "best_epoch": 2}
    for history in (
        "epoch,loss\n1,0.5\n2,0.4\n",
        "epoch,loss,val_loss,accuracy,val_accuracy\n1,0.5,,0.1,\n2,0.4,0.3,0.2,0.2\n",
    ):
        folder = put(metrics, history)
        assert runs.check(folder)["epochs_run"] == len(runs.read_history(folder)) == 2
