"""The explorer as a person uses it, on two saved models."""

import base64
import io
import shutil
from datetime import datetime

import numpy as np
import pytest
import traitlets
from ipywidgets import FileUpload
from PIL import Image

from fmnist_keras import data, models, runs
from fmnist_keras.tools import explorer


@pytest.fixture
def app(untouched):
    """An explorer of one autoencoder under two names, and of one classifier."""
    autoencoder, classifier = (runs.read(runs.run_dir("test", name, 0)) for name in ("model_1", "model_8"))
    return explorer.Explorer({"one": autoencoder, "two": autoencoder}, {"its classifier": classifier})


def changed(app, before):
    """Return the names of the pictures that are not as they were in `before`."""
    return [name for name, pixels in app.shown.items() if not np.allclose(pixels, before[name], atol=1e-6)]


def test_an_image_and_its_classes_are_shown(app):
    assert app.message.value.startswith("Ankle boot, image 0: mean squared error 0.")
    assert app.pictures.value.count("<img alt=") == 4
    assert all(name in app.classes.value for name in data.CLASS_NAMES)
    assert changed(app, app.shown | {"decoded": app.shown["reconstruction"]}) == []
    assert "↔" in app.sliders[0].description


def test_sliders_move_the_decoded_image(app):
    before, classes = app.shown, app.classes.value
    app.sliders[0].value = app.sliders[0].max
    assert changed(app, before) == ["decoded"]
    assert app.classes.value != classes
    app.reset.click()
    assert changed(app, before) == []


def test_every_image_can_be_chosen(app, sample):
    app.label.value = 1
    app.number.value = app.number.max
    number = np.flatnonzero(sample.y_val == 1)[-1]
    assert app.message.value.startswith(f"Trouser, image {number}:")
    np.testing.assert_array_equal(app.shown["original"], sample.x_val[number])


def test_interpolation_ends_at_the_pinned_image(app):
    app.pin.click()
    pinned = app.shown["reconstruction"]
    app.number.value = 1
    assert "decoded" in changed(app, app.shown | {"decoded": pinned})
    app.mix.value = 1
    assert changed(app, app.shown | {"decoded": pinned}) == []


class Upload7(FileUpload):
    """The upload of ipywidgets 7, which Colab has: read-only, and a dict of names to files."""

    value = traitlets.Dict(read_only=True)


@pytest.mark.parametrize("kind", [FileUpload, Upload7])
def test_an_upload_is_shown_each_time(monkeypatch, request, kind):
    monkeypatch.setattr(explorer.widgets, "FileUpload", kind)
    app = request.getfixturevalue("app")
    file = {"name": "own.png", "type": "image/png", "size": 1, "last_modified": datetime.now()}
    content = io.BytesIO()
    Image.fromarray(255 - np.pad(np.eye(50, dtype="uint8") * 255, 20)).save(content, "PNG")

    def upload(content):
        files = [file | {"content": content}]
        app.upload.set_trait("value", {"own.png": files[0]} if kind is Upload7 else files)

    for number in (1, 2):
        upload(content.getvalue())
        assert app.message.value.startswith("Your own picture")
        assert not app.upload.value
        app.number.value = number
        assert app.message.value.startswith("Ankle boot")
    before = app.shown
    upload(b"<html>")
    assert "not a picture of a known format" in app.problem.value
    assert changed(app, before) == []
    app.number.value = 3
    assert app.problem.value == ""


def test_another_run_has_its_own_pictures_and_sliders(trained):
    """It has fewer codes."""
    first = runs.run_dir("test", "model_1", 0)
    small = shutil.copytree(first, first.parent / "small")
    models.autoencoder(models.encoder(3, 0), models.decoder(3, 0, "kernel_size")).save(small / "model.keras")
    found = runs.read(first)
    app = explorer.Explorer({"64": found, "3": found | {"folder": small}}, {})
    alone = explorer.Explorer({"3": found | {"folder": small}}, {})
    app.run.value = "3"
    assert changed(app, alone.shown) == []
    assert app.message.value == alone.message.value
    assert [slider.description for slider in app.sliders] == [slider.description for slider in alone.sliders]
    assert [slider.layout.display for slider in app.sliders] == [""] * 3 + ["none"] * 3
    app.run.value = "64"
    assert {slider.layout.display for slider in app.sliders} == {""}


def test_a_damaged_model_is_named(trained):
    """The others are shown."""
    first = runs.run_dir("test", "model_1", 0)
    broken = shutil.copytree(first, first.parent / "broken")
    (broken / "model.keras").write_bytes(b"no model")
    found, classifier = runs.read(first), runs.read(runs.run_dir("test", "model_8", 0))
    classifiers = {"bad": classifier | {"folder": broken}, "a": classifier}
    app = explorer.Explorer({"broken": found | {"folder": broken}, "good": found}, classifiers)
    assert app.problem.value.count(f"{broken / 'model.keras'} cannot be loaded") == 2
    assert app.run.value == "good"
    assert app.classes.value == ""
    app.classifier.value = "a"
    assert app.problem.value == ""
    assert "Trouser" in app.classes.value
    before, message = app.shown, app.message.value
    app.run.value = "broken"
    assert "cannot be loaded" in app.problem.value
    assert changed(app, before) == []
    assert app.message.value == message
    assert "(good)" in message


def test_without_models_it_says_what_to_run(reports):
    assert "make report" in explorer.app().value


def test_a_static_page_gets_a_picture(monkeypatch):
    monkeypatch.setenv(explorer.STATIC, "1")
    page = explorer.app().data
    assert explorer.STATIC_ALT in page
    assert base64.b64decode(page.split("base64,")[1].split('"')[0]).startswith(b"\x89PNG")


def test_run_trained_last_comes_first(untouched):
    """In each dropdown, and the runs of a suite are together."""
    names = {"mine/a": "mine", "sample/a": "sample", "mine/b": "mine", "sample/c": "sample"}
    kinds = dict(zip(names, ["classifier", *["autoencoder"] * 3]))
    trained = {name: {"kind": kinds[name], "suite": suite} for name, suite in names.items()}
    assert list(explorer.by_suite(trained, "autoencoder")) == ["sample/a", "sample/c", "mine/b"]
    assert list(explorer.by_suite(trained, "classifier")) == ["mine/a"]


def test_upload_pointing_right_is_mirrored(app, monkeypatch):
    """And the page says so."""
    found = np.eye(28)[np.newaxis, ..., np.newaxis], np.ones((1, 10)), np.ones(1, bool)
    monkeypatch.setattr(explorer.predict, "answer", lambda images, model: found)
    app.own = np.zeros((28, 28), "uint8")
    app.update()
    np.testing.assert_array_equal(app.shown["original"], found[0][0])
    assert app.message.value.startswith("Your own picture, mirrored, since all shoes")
