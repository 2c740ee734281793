import keras
import numpy as np
import pytest

from fmnist_keras import runs
from fmnist_keras.tools import export


@pytest.fixture
def run(untouched):
    return runs.run_dir("test", "model_8", 0)


def test_onnx_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(runs.RunError, match=r"pip install -r requirements/export\.txt"):
        export.export(tmp_path / "a run", "onnx", tmp_path / "out")


def test_outputs_that_differ_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "run_code", lambda format, path, images: np.ones((256, 10)))
    with pytest.raises(runs.RunError, match="differs from its original"):
        export.export(run, "keras", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_another_backend_is_refused(run, tmp_path, monkeypatch, format):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(runs.RunError, match=f"{format} is written by TensorFlow and not by jax"):
        export.export(run, format, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_card_names_limits(run):
    metrics = runs.read(run)
    assert "no validation image of" not in export.model_card(metrics, "x", "keras", 0)
    metrics["confusion"][4], metrics["confusion"][6] = [1] + [0] * 9, [1] + [0] * 9
    assert "recognised no validation image of: Coat, Shirt." in export.model_card(metrics, "x", "keras", 0)
    metrics = runs.read(runs.run_dir("test", "model_1", 0))
    metrics["stripes"]["constant_pixels"] = 159
    card = export.model_card(metrics, "x", "keras", 0)
    assert "159 of the 784 pixels are the same in every image" in card
    card = export.model_card(metrics | {"best_epoch": 3, "restored_epoch": 2}, "x", "keras", 0)
    assert "weights of epoch 2;" in card


def test_a_card_says_what_ran(run):
    """A loss, a last layer and layers of a person's own are not written down as ours."""
    metrics = runs.read(run)
    assert " cross entropy |" in export.model_card(metrics, "x.keras", "keras", 0)
    departs = {"loss": "sparse_categorical_crossentropy instead of sparse_categorical_crossentropy(True)"}
    metrics["ran"] = {"departs": departs, "layers": ["Dense(units=10, activation='softmax')"]}
    card = export.model_card(metrics, "x.keras", "keras", 0, own_layers=True)
    assert " sparse categorical crossentropy |" in card
    assert "**Gives**\nprobabilities (n, 10) float32: T-shirt" in card
    assert "It is not what its parameters say: loss: sparse" in card
    assert "layers that are not Keras' own" in card
    assert "loads it too" not in card


def test_only_exports_are_replaced(run, tmp_path):
    precious = tmp_path / "model_8" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(runs.RunError, match="model_8 is a folder with something else in it"):
        export.export(run, "saved_model", tmp_path)
    assert precious.read_text() == "years of work"
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "model_8").touch()
    with pytest.raises(runs.RunError, match="model_8 is a file"):
        export.export(run, "saved_model", tmp_path / "file")
    with pytest.raises(runs.RunError, match=r"thesis.txt/x cannot be written to: Not a directory"):
        export.export(run, "keras", precious / "x")
