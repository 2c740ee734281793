"""The record of a run: `metrics.json` of schema 2 and 3, what damages it, and the device that it names."""

import copy
import json
import shutil
import sys
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from fmnist_keras import evaluation, runs
from fmnist_keras.runs import record

LANDED = {"autoencoder": "model_1", "classifier": "model_6"}
RAN = {"layers": [], "trainable": "", "loss": "mean_squared_error", "optimizer": "", "latent_dim": 64}
RAN |= {"epochs": 40, "steps_per_epoch": 600, "departs": {}}


def landed(kind):
    folder = runs.ROOT / "reports" / "paper" / LANDED[kind] / "seed_0"
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return copy.deepcopy(record.upgrade(metrics))


def schema_2(metrics):
    """The same run as schema 2 had it."""
    new = ("base", "changes", "ran", "finished", "interrupted", "restored_epoch", "data")
    old = {name: value for name, value in metrics.items() if name not in new}
    old |= {"schema_version": 2, "data_sha256": metrics["data"]["sha256"]}
    old["params"] = old["params"] | {"tsne": False}
    for name in old.keys() & {"labels", "predictions"}:
        old[name] = "".join(map(str, evaluation.unpack_labels(old[name])))
    return old


@pytest.fixture
def put(reports):
    """Put metrics into a run's folder, with a landed history and weights of a few bytes beside them."""

    def write(metrics):
        folder = runs.run_dir("paper", metrics["model"], 0)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        name = LANDED[metrics["kind"]]
        shutil.copy(runs.ROOT / "reports" / "paper" / name / "seed_0" / "history.csv", folder)
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        for weights in ("model", "encoder"):
            with zipfile.ZipFile(folder / f"{weights}.keras", "w") as archive:
                archive.writestr("weights", "0123456789" * 99)
        return folder

    return write


@pytest.mark.parametrize("kind", LANDED)
def test_schema_2_is_read(kind, put):
    """Whoever has runs of schema 2 keeps them: readers see schema 3 alone, without the parameter `tsne`."""
    new = landed(kind)
    found = runs.check(put(schema_2(new)))
    assert found.pop("folder")
    assert found == new | {"ran": None, "finished": None, "base": new["model"], "changes": {}}


def test_schema_2_is_named(put):
    """Its name says what a point changes; one that says something else is a model's."""
    old = schema_2(landed("classifier"))
    changes = {"encoder.epochs": 15, "epochs": old["params"]["epochs"]}
    name = f"model_6-encoder_epochs_15-epochs_{changes['epochs']}"
    cases = (name, "model_6", changes), ("model_6-epochs_7", "model_6-epochs_7", {})
    for name, base, expected in cases:
        found = runs.check(put(old | {"model": name}))
        assert (found["base"], found["changes"]) == (base, expected)


def test_old_pixel_errors_are_packed(put):
    """Runs before November 2026 had 28 rows of numbers."""
    new = landed("autoencoder")
    rows = evaluation.unpack(new["pixel_errors"]).reshape(28, 28).tolist()
    assert runs.check(put(schema_2(new) | {"pixel_errors": rows}))["pixel_errors"] == new["pixel_errors"]


@pytest.mark.parametrize("kind", LANDED)
def test_schema_3_is_read(kind, put):
    new = landed(kind) | {"ran": RAN | {"departs": {"layers": "own layers"}}}
    new |= {"finished": "2026-11-30T12:00:00+00:00", "base": "model_1", "changes": {"patience": 40}}
    new["seconds"] = {"fit": None, "total": 1.5}
    assert runs.departs(runs.check(put(new))) == {"layers": "own layers"}
    assert runs.departs(landed(kind) | {"ran": None}) == {}


@pytest.mark.parametrize("own", [{"loss": "binary_crossentropy"}, {"departs": {"layers": "regularized"}}])
def test_another_loss_is_no_mean(put, own):
    """With a loss of one's own or a penalty, the images' squared errors have another mean than the loss."""
    metrics = landed("autoencoder") | {"ran": RAN | own, "val": {"loss": 0.9}}
    assert runs.check(put(metrics))["val"]["loss"] == 0.9


def setting(path, value):
    def change(metrics):
        *outer, last = path.split(".")
        place = metrics
        for name in outer:
            place = place[name]
        place[last] = value
        return metrics

    return change


DAMAGED = [
    ("classifier", lambda m: {name: value for name, value in m.items() if name != "base"}, "base"),
    ("classifier", setting("ran", {"layers": []}), "ran"),
    ("classifier", setting("finished", "yesterday"), "finished"),
    ("classifier", setting("restored_epoch", 0), "restored_epoch"),
    ("classifier", setting("data", {"name": "fashion_mnist"}), "data"),
    ("classifier", setting("params.protocol", "<script>"), "protocol"),
    ("classifier", setting("params.latent_dim", "128"), "latent_dim"),
    ("classifier", setting("schema_version", 1), "schema_version"),
    ("classifier", setting("best_epoch", 999), "epoch 999 is best of"),
    ("classifier", setting("train.loss", -0.2), "its loss is negative"),
    ("classifier", setting("confusion", [[1, 2], [3]]), "confusion is not square"),
    ("classifier", setting("labels", "0123456789"), "labels: "),
    ("classifier", setting("predictions", evaluation.pack_labels([1, 2])), "2 values, 10000 images"),
    ("autoencoder", setting("pixel_errors", "?"), "pixel_errors: "),
    ("autoencoder", setting("image_errors", evaluation.pack([0.1] * 3)), "3 values, 10000 images"),
    ("autoencoder", setting("val.loss", 0.9), "their mean is"),
    ("autoencoder", setting("stripes.constant_pixels", "0"), "constant_pixels"),
    ("classifier", lambda m: schema_2(m) | {"labels": "año"}, "UnicodeEncodeError|ascii"),
    ("classifier", lambda m: schema_2(m) | {"params": []}, "AttributeError"),
    ("classifier", lambda m: ["a list"], "TypeError|ValueError|sequence"),
    ("classifier", lambda m: {"a": 1}, "KeyError"),
]


@pytest.mark.parametrize(("kind", "change", "words"), DAMAGED)
def test_damaged_metrics_are_named(kind, change, words, put):
    folder = put(landed(kind))
    changed = change(landed(kind))
    (folder / "metrics.json").write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(runs.RunError, match=f"metrics.json is not a valid run: .*({words})"):
        runs.check(folder)


def cut(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("metrics.json", cut),
        ("metrics.json", lambda content: b"\xff"),
        ("metrics.json", lambda content: b"[" * 100_000),
        ("metrics.json", lambda content: content.replace(b'"seed": 0', b'"seed": NaN', 1)),
        ("metrics.json", lambda content: content.replace(b'"model": "model_1"', b'"model": "model_2"', 1)),
        ("history.csv", cut),
        ("history.csv", lambda content: content.replace(b"0", b"1", 1)),
        ("encoder.keras", cut),
        ("encoder.keras", lambda content: content.replace(b"0123", b"3210", 1)),
        ("model.keras", lambda content: b"<html>"),
    ],
)
def test_a_damaged_file_is_named(put, name, damage):
    """Nobody reads the run, and the engine makes it again."""
    folder = put(landed("autoencoder"))
    assert runs.table("paper").attrs["left_out"] == []
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(damage(content))
    assert runs.read(folder) is None
    assert runs.read_all("paper")[0] == []
    ((place, reason),) = runs.table("paper").attrs["left_out"]
    assert place == folder
    assert str(folder / name) in reason


NAME = "NVIDIA H200"
BACKENDS = {  # the part of each library that has the name
    "jax": {"local_devices": lambda: [SimpleNamespace(device_kind=NAME)]},
    "torch": {"cuda": SimpleNamespace(get_device_name={"cuda:0": NAME}.get)},
    "tensorflow": {
        "config": SimpleNamespace(
            list_physical_devices=lambda kind: [kind],
            experimental=SimpleNamespace(get_device_details=lambda device: {"device_name": NAME}),
        )
    },
}


@pytest.mark.parametrize(
    ("backend", "place", "name"),
    [
        ("jax", "cuda:0", NAME),
        ("torch", "cuda:0", NAME),
        ("tensorflow", "/device:GPU:0", NAME),
        ("torch", "mps:0", "mps:0"),
        ("jax", "TFRT_CPU_0", "CPU: "),
    ],
)
def test_a_device_has_its_name(monkeypatch, backend, place, name):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.ops, "convert_to_tensor", lambda value: SimpleNamespace(device=place))
    monkeypatch.setitem(sys.modules, backend, SimpleNamespace(**BACKENDS[backend]))
    assert record.device().startswith(name)


def test_labels_are_packed_and_unpacked():
    labels = np.arange(10_000) % 10
    text = evaluation.pack_labels(labels)
    np.testing.assert_array_equal(evaluation.unpack_labels(text), labels)
    for damaged in ("?", "AAAA", text[: len(text) // 8 * 4]):
        with pytest.raises(ValueError, match="damaged labels|base64"):
            evaluation.unpack_labels(damaged)
