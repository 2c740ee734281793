import io
from datetime import datetime

import keras
import numpy as np
import pytest
from conftest import OF_KIND, build, fitted
from PIL import Image

from fmnist_keras import evaluation, predict, runs, training
from fmnist_keras.tools import explorer, export, photos
from fmnist_keras.tools.predict import as_images, load_model


def as_bytes(images):
    return np.round(images[..., 0] * 255).astype("uint8")


@pytest.fixture
def trained(tiny, reports, sample, images):
    """Runs of a classifier and of an autoencoder, saved as their notebooks do, untrained."""
    made = [tiny("model_8", encoder_from=None), tiny("model_1")]
    columns = ("loss", "val_loss", "accuracy", "val_accuracy")
    history = fitted(1, **{name: [1.0] for name in columns})
    for values in made:
        results = {part: {"loss": 0.1, "accuracy": 0.1} for part in ("train", "val")}
        results |= OF_KIND[values.kind] | {"predictions": sample.y_val}
        if values.kind == "classifier":
            results |= {"confusion": np.eye(10, dtype=int)}
        run, model = runs.start(values), build(values)
        if values.kind == "classifier":
            classifier = model
            run.load_encoder()
        run.finish(model, history, sample, **results)
    return classifier


def test_predict_gives_labels_and_probabilities_for_every_form_of_image(trained, sample):
    run = runs.run_dir("test", "model_8", 0)
    raw = as_bytes(sample.x_val[:20])
    labels, probabilities = predict(raw, run)
    assert (labels.shape, probabilities.shape, probabilities.dtype) == ((20,), (20, 10), np.float32)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    logits = trained.predict(as_images(raw), verbose=0)
    np.testing.assert_array_equal(labels, logits.argmax(1))
    np.testing.assert_allclose(probabilities, evaluation.softmax(logits), rtol=1e-4)
    for form in (
        raw[..., None],
        raw / 255.0,
        (raw / 255).astype("float16"),
        raw[..., None] / np.float32(255),
    ):
        np.testing.assert_allclose(predict(form, run)[1], probabilities, atol=2e-2)
    assert predict(raw[:0], run)[0].shape == (0,)
    assert predict(raw[:0].astype(float), run)[1].shape == (0, 10)


def test_images_of_many_batches_keep_their_order(trained, sample):
    images = as_images(sample.x_val[:20])
    at_once, by_sevens = (training.predict(trained, images, batch_size) for batch_size in (1000, 7))
    np.testing.assert_allclose(by_sevens, at_once, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(at_once, trained.predict(images, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((28, 28)), r"shape \(28, 28\); allowed: \(n, 28, 28\)"),
        (np.zeros((2, 28, 28, 3), np.uint8), r"shape \(2, 28, 28, 3\)"),
        (np.zeros((2, 28, 28), np.int64), "int64; allowed: uint8"),
        (np.zeros((2, 28, 28), bool), "bool; allowed: uint8"),
        (np.zeros((2, 28, 28), object), "object; allowed: uint8"),
        (np.zeros((0, 28, 28), int), "int64; allowed: uint8"),
        (np.full((2, 28, 28), 255.0), r"\[255, 255\]; allowed: \[0, 1\]"),
        (np.full((2, 28, 28), np.nan), "nan"),
        (np.full((2, 28, 28), -0.1), r"-0.1"),
        ([["a"]], "shape"),
    ],
)
def test_predict_rejects_the_rest_with_a_sentence(images, words):
    with pytest.raises(ValueError, match=words):
        predict(images, "model_6")


def test_a_run_that_is_not_there_or_no_classifier_s_is_named(trained, images):
    with pytest.raises(runs.RunError, match=r"model_6 has no trained weights .*make report MODELS=model_6"):
        predict(images[:1], "model_6")
    with pytest.raises(runs.RunError, match=r"unknown model 'model_66'; did you mean model_6"):
        predict(images[:1], "model_66")
    with pytest.raises(runs.RunError, match="is not the run of a classifier"):
        predict(images[:1], runs.run_dir("test", "model_1", 0))
    with pytest.raises(runs.RunError, match="is not the run of a classifier"):
        predict(images[:1], ".")


@pytest.mark.parametrize("format", ["keras", "saved_model", "onnx"])
@pytest.mark.parametrize("model", ["model_8", "model_1"])
def test_an_export_agrees_with_its_original(trained, tmp_path, model, format):
    path, difference = export.export(runs.run_dir("test", model, 0), format, tmp_path / "out")
    assert path.exists()
    assert difference <= 1e-4
    card = (tmp_path / "out" / f"{model}.md").read_text()
    assert "Fashion-MNIST" in card
    assert "| Shirt | 1.000 | 1.000 | 1.000 |" in card or model == "model_1"
    assert "demonstration" in card
    assert ("probabilities: T-shirt/top, Trouser" in card) == (model == "model_8")
    export.export(runs.run_dir("test", model, 0), format, tmp_path / "out")  # over an earlier one


def test_an_export_that_differs_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_outputs", lambda path, format, images: np.ones((256, 10)))
    with pytest.raises(runs.RunError, match="differs from its original"):
        export.export(runs.run_dir("test", "model_8", 0), "keras", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_a_format_of_tensorflow_s_says_so_on_another_backend(trained, tmp_path, monkeypatch, format):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(runs.RunError, match=f"{format} is written by TensorFlow and not by jax"):
        export.export(runs.run_dir("test", "model_8", 0), format, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_card_names_what_the_model_cannot_do(trained):
    metrics = runs.read(runs.run_dir("test", "model_8", 0))
    assert "no validation image of" not in export.model_card(metrics, "x", 0)
    metrics["confusion"][4], metrics["confusion"][6] = [1] + [0] * 9, [1] + [0] * 9
    assert "recognised no validation image of: Coat, Shirt." in export.model_card(metrics, "x", 0)
    metrics = runs.read(runs.run_dir("test", "model_1", 0))
    metrics["stripes"]["constant_pixels"] = 159
    assert "159 of the 784 pixels are the same in every image" in export.model_card(metrics, "x", 0)


def test_an_export_replaces_earlier_exports_and_nothing_else(trained, tmp_path):
    run = runs.run_dir("test", "model_8", 0)
    precious = tmp_path / "model_8" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(runs.RunError, match="model_8 is a folder with something else in it"):
        export.export(run, "saved_model", tmp_path)
    assert precious.read_text() == "years of work"
    (tmp_path / "file" / "model_8").mkdir(parents=True)
    (tmp_path / "file" / "model_8").rmdir()
    (tmp_path / "file" / "model_8").touch()
    with pytest.raises(runs.RunError, match="model_8 is a file"):
        export.export(run, "saved_model", tmp_path / "file")
    with pytest.raises(runs.RunError, match=r"thesis.txt/x cannot be written to: Not a directory"):
        export.export(run, "keras", precious / "x")


def test_code_in_a_model_file_is_refused(trained, reports):
    """Keras' safe mode is on wherever a model is read."""
    folder = runs.run_dir("test", "model_8", 0)
    evil = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Lambda(lambda x: x)])
    evil.save(folder / "model.keras")
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        load_model(folder)


def test_the_explorer_follows_its_widgets(trained):
    autoencoder, classifier = (runs.read(runs.run_dir("test", name, 0)) for name in ("model_1", "model_8"))
    app = explorer.Explorer({"one": autoencoder, "two": autoencoder}, {"its classifier": classifier})
    assert app.message.value.startswith("Ankle boot: mean squared error 0.")
    assert app.classes.value.count("<td>") == 3
    decoded, original = app.pictures["decoded"].value, app.pictures["original"].value
    assert decoded == app.pictures["reconstruction"].value
    app.sliders[0].value = app.sliders[0].max
    assert app.pictures["decoded"].value != decoded
    assert app.pictures["original"].value == original
    app.index.value = 1
    assert app.message.value.startswith("Pullover")
    file = {"name": "own.png", "type": "image/png", "size": 1, "last_modified": datetime.now()}
    app.upload.value = [file | {"content": picture(np.eye(50, dtype="uint8") * 255)}]
    assert app.message.value.startswith("Your own picture")
    app.upload.value = [file | {"content": b"<html>"}]
    assert "not a PNG or JPEG" in app.message.value
    app.choice.value = "two"
    assert app.message.value.startswith("Your own picture")
    app.index.value = 2
    assert app.message.value.startswith("Trouser")


def test_without_a_trained_model_the_explorer_says_what_to_run(reports):
    assert "make report" in explorer.app().value


def picture(pixels, format="PNG", mode="L"):
    content = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(content, format)
    return content.getvalue()


@pytest.mark.parametrize(("format", "mode"), [("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "RGB")])
@pytest.mark.parametrize("light", [True, False], ids=["light background", "dark background"])
def test_a_picture_of_any_size_becomes_what_the_data_set_would_have_made_of_it(sample, format, mode, light):
    original = np.round(sample.x_val[1, ..., 0] * 255).astype(
        "uint8"
    )  # a pullover, 28 pixels tall and somewhat narrower
    large = np.full((500, 700), 0, np.uint8)
    large[90:426, 150:486] = original.repeat(12, 0).repeat(12, 1)
    made = photos.to_image(picture(255 - large if light else large, format, mode))
    assert (made.shape, made.dtype) == ((28, 28), np.uint8)
    assert np.corrcoef(made.ravel(), original.ravel())[0, 1] > 0.95
    rows, columns = (np.flatnonzero((made > 25).any(axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (0, 27)  # its longer side fills the frame
    assert abs(columns[0] - (27 - columns[-1])) <= 1  # and it stands in the middle


def test_a_picture_is_read_as_a_viewer_would_show_it(sample):
    """Upright as the camera says, with all 16 bits, without the ink of a printer, and the wall behind it."""
    original = as_bytes(sample.x_val[1])
    large = np.pad(original.repeat(12, 0).repeat(12, 1), 90)
    upright, exif = Image.fromarray(255 - large), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    wall = Image.fromarray((200 - large * 0.7).astype("uint8"))
    for image, options in (
        (upright.rotate(90), {"format": "JPEG", "exif": exif}),
        (upright.convert("CMYK"), {"format": "JPEG"}),
        (Image.fromarray(large.astype("uint16") * 257), {"format": "PNG"}),
        (Image.fromarray(65535 - large.astype("uint16") * 257), {"format": "PNG"}),
        (wall, {"format": "PNG"}),
        (upright.resize((6000, 6000)), {"format": "JPEG"}),
    ):
        content = io.BytesIO()
        image.save(content, **options)
        made = photos.to_image(content.getvalue())
        assert np.corrcoef(made.ravel(), original.ravel())[0, 1] > 0.95, options
        assert made[:, 0].max() < 30  # black around it


def test_a_thread_is_a_pixel_wide():
    pixels = np.full((900, 30), 255, np.uint8)
    pixels[100:800, 12:18] = 0
    made = photos.to_image(picture(pixels))
    assert (made > 25).any(axis=0).sum() == 1
    assert (made > 25).any(axis=1).all()


CUT_OFF = picture(np.arange(10_000, dtype="uint8").reshape(100, 100), "JPEG")[:2000]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "this is not a PNG or JPEG$"),
        (b"<html>", "this is not a PNG or JPEG$"),
        (picture(np.zeros((40, 40), np.uint8), "GIF"), "this is not a PNG or JPEG$"),
        (picture(np.zeros((40, 40), np.uint8))[:50], "PNG or JPEG cannot be read: "),
        (CUT_OFF, "PNG or JPEG cannot be read: image file is truncated"),
        (picture(np.full((40, 40), 255, np.uint8)), "shows nothing"),
        (picture(np.full((1, 1), 100, np.uint8)), "shows nothing"),
        (picture(np.zeros((9000, 10_000), np.uint8)), "too large; allowed: 89 million pixels"),
        (picture(np.zeros((20_000, 10_000), np.uint8)), "too large; allowed: 89 million pixels"),
    ],
)
def test_a_file_that_shows_nothing_is_refused_with_a_sentence(content, words):
    with pytest.raises(ValueError, match=words):
        photos.to_image(content)
