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


def upload(app, content):
    file = {"name": "own.png", "type": "image/png", "size": 1, "last_modified": datetime.now()}
    app.upload.value = [file | {"content": content}]


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def shown(app):
    return {name: picture.value for name, picture in app.pictures.items()}


def test_the_explorer_shows_an_image_and_its_classes(app):
    assert app.message.value.startswith("Ankle boot, image 0: mean squared error 0.")
    assert all(name in app.classes.value for name in data.CLASS_NAMES)
    assert app.pictures["decoded"].value == app.pictures["reconstruction"].value
    assert "↔" in app.sliders[0].description


def test_sliders_move_the_decoded_image_and_its_classes_alone(app):
    before, classes = shown(app), app.classes.value
    app.sliders[0].value = app.sliders[0].max
    after = shown(app)
    assert after.pop("decoded") != before.pop("decoded")
    assert after == before
    assert app.classes.value != classes
    app.reset.click()
    assert app.pictures["decoded"].value == app.pictures["reconstruction"].value


def test_a_slider_starts_at_one_of_its_steps_where_no_browser_moves_it(app):
    app.thumbnails[3].click()
    starts = [slider.value for slider in app.sliders]
    before = shown(app)
    for slider, start in zip(app.sliders, starts):
        slider.value = float(f"{start:.1f}")  # what a browser sends once it draws the slider
    assert [slider.value for slider in app.sliders] == starts
    assert shown(app) == before


def test_a_thumbnail_is_the_image_that_it_shows(app, sample):
    app.label.value = 1
    app.more.click()
    place = app.thumbnails[3]
    place.click()
    number = np.flatnonzero(sample.y_val == 1)[explorer.THUMBNAILS + 3]
    assert place.tooltip == f"Trouser, image {number}"
    assert app.message.value.startswith(f"Trouser, image {number}:")


def test_interpolation_ends_at_the_pinned_image(app):
    app.pin.click()
    pinned = app.pictures["reconstruction"].value
    app.thumbnails[1].click()
    assert app.pictures["decoded"].value != pinned
    app.mix.value = 1
    assert app.pictures["decoded"].value == pinned


def test_an_uploaded_picture_is_shown_each_time_it_is_uploaded(app):
    content = png(255 - np.pad(np.eye(50, dtype="uint8") * 255, 20))
    for _ in range(2):
        upload(app, content)
        assert app.message.value.startswith("Your own picture")
        assert app.upload.value == ()
        app.thumbnails[1].click()
        assert app.message.value.startswith("Ankle boot")


class Upload7(FileUpload):
    """The upload of ipywidgets 7, which Colab has: read-only, and a dict of names to files."""

    value = traitlets.Dict(read_only=True)


def test_uploads_of_ipywidgets_7_are_shown(monkeypatch, request):
    monkeypatch.setattr(explorer.widgets, "FileUpload", Upload7)
    app = request.getfixturevalue("app")
    content = png(255 - np.pad(np.eye(50, dtype="uint8") * 255, 20))
    for _ in range(2):
        app.upload.set_trait("value", {"own.png": {"metadata": {"name": "own.png"}, "content": content}})
        assert app.problem.value == ""
        assert app.message.value.startswith("Your own picture")
        assert app.upload.value == {}
        app.thumbnails[1].click()
        assert app.message.value.startswith("Ankle boot")


def test_what_is_no_picture_is_said_and_changes_nothing(app):
    before = shown(app)
    upload(app, b"<html>")
    assert "not a picture of a known format" in app.problem.value
    assert shown(app) == before
    app.thumbnails[1].click()
    assert app.problem.value == ""


def test_another_run_has_its_own_pictures_sliders_and_message(trained, tiny, sample):
    """A run with fewer codes, whatever the sliders stood at: all of it is of the chosen run."""
    first = runs.run_dir("test", "model_1", 0)
    small = shutil.copytree(first, first.parent / "small")
    models.autoencoder(models.encoder(3, 0), models.decoder(3, 0, "kernel_size")).save(small / "model.keras")
    found = runs.read(first)
    app = explorer.Explorer({"64": found, "3": found | {"folder": small}}, {})
    alone = explorer.Explorer({"3": found | {"folder": small}}, {})
    for slider in app.sliders:
        slider.value = slider.max
    app.choice.value = "3"
    assert (shown(app), app.message.value) == (shown(alone), alone.message.value)
    assert [s.description for s in app.sliders[:3]] == [s.description for s in alone.sliders[:3]]
    assert [row.layout.display for row in app.rows[: explorer.SLIDERS]] == [""] * 3 + ["none"] * 3
    app.choice.value = "64"
    assert {row.layout.display for row in app.rows[: explorer.SLIDERS]} == {""}


def test_a_model_that_cannot_be_loaded_is_named_and_the_others_are_shown(trained):
    first = runs.run_dir("test", "model_1", 0)
    broken = shutil.copytree(first, first.parent / "broken")
    (broken / "model.keras").write_bytes(b"no model")
    found, classifier = runs.read(first), runs.read(runs.run_dir("test", "model_8", 0))
    app = explorer.Explorer({"broken": found | {"folder": broken}, "good": found}, {"a": classifier})
    assert f"{broken / 'model.keras'} cannot be loaded" in app.problem.value
    assert app.choice.value == "good"
    before = shown(app)
    app.choice.value = "broken"
    assert "cannot be loaded" in app.problem.value
    assert (app.choice.value, shown(app)) == ("good", before)
    app = explorer.Explorer({"good": found}, {"bad": classifier | {"folder": broken}, "a": classifier})
    assert "cannot be loaded" in app.classes.value
    app.classifier.value = "a"
    assert "Trouser" in app.classes.value


def test_without_a_trained_model_the_explorer_says_what_to_run(reports):
    assert "make report" in explorer.app().value


def test_a_static_page_gets_a_picture_of_the_explorer(monkeypatch):
    monkeypatch.setenv(explorer.STATIC, "1")
    page = explorer.app().data
    assert explorer.STATIC_ALT in page
    assert base64.b64decode(page.split("base64,")[1].split('"')[0]).startswith(b"\x89PNG")
