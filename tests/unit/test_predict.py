import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from fmnist_keras import data, evaluation, predict, runs, training
from fmnist_keras.__main__ import main
from fmnist_keras.tools.predict import as_images, data_of, in_characters, load_model


def as_bytes(images):
    return np.round(images[..., 0] * 255).astype("uint8")


@pytest.fixture
def run(untouched):
    return runs.run_dir("test", "model_8", 0)


def test_every_form_of_image_is_classified(run, sample):
    raw = as_bytes(sample.x_val[:20])
    labels, probabilities = predict(raw, run)
    assert (labels.shape, probabilities.shape, probabilities.dtype) == ((20,), (20, 10), np.float32)
    model = load_model(run)
    logits = model.predict(as_images(raw), verbose=0)
    np.testing.assert_allclose(training.predict(model, as_images(raw), 7), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(labels, logits.argmax(1))
    np.testing.assert_allclose(probabilities, evaluation.softmax(logits), rtol=1e-4)
    for form in (raw[..., None], raw / 255, (raw / 255).astype("float16")):
        np.testing.assert_allclose(predict(form, run)[1], probabilities, atol=2e-2)
    assert predict(raw[:0], run)[0].shape == (0,)
    assert predict(raw[:0].astype(float), run)[1].shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((28, 28)), r"shape \(28, 28\); allowed: \(n, 28, 28\)"),
        (np.full((2, 28, 28), 255, np.uint8), "image 0 is dark on light; allowed: light on black"),
        ([b"", b""], "not a picture of a known format; allowed: PNG, JPEG, WEBP, GIF, BMP, TIFF"),
        (np.zeros((2, 28, 28), np.int64), "int64; allowed: uint8"),
        (np.zeros((2, 28, 28), object), "object; allowed: uint8"),
        (np.full((2, 28, 28), 255.0), r"\[255, 255\]; allowed: \[0, 1\]"),
        (np.full((2, 28, 28), np.nan), "nan"),
        ([["a"]], "shape"),
    ],
)
def test_other_images_are_refused(images, words):
    with pytest.raises(ValueError, match=words):
        predict(images, "model_6")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model_6", r"model_6 has no trained weights .*make report MODELS=model_6"),
        ("model_66", r"unknown model 'model_66'; did you mean model_6"),
        ("mine", r"unknown model 'mine'.*the folder of that name is ./mine"),
        ("test/model_1", "is not the run of a classifier"),
        (".", "is not the run of a classifier"),
        ("away.keras", r"away.keras does not exist; allowed: a model's name"),
    ],
)
def test_a_run_that_cannot_classify_is_named(untouched, images, tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(runs.RunError, match=words):
        predict(images[:1], name)


def test_a_name_means_its_run(run, images, tmp_path, monkeypatch):
    """In any suite; a folder of that name in the current one is not meant. A path means its file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_8").mkdir()
    expected = predict(images, run)[1]
    np.testing.assert_array_equal(predict(images, "model_8")[1], expected)
    path = tmp_path / "mine.keras"
    shutil.copy(run / "model.keras", path)
    for form in (path, str(path), path.name):
        np.testing.assert_allclose(predict(images, form)[1], expected, atol=1e-6)


def test_a_model_is_loaded_once(trained, images, monkeypatch):
    """And again when its file is another."""
    run = runs.run_dir("test", "model_8", 0)
    before = predict(images[:3], run)[1]
    with monkeypatch.context() as patch:
        patch.setattr(keras.saving, "load_model", None)
        np.testing.assert_array_equal(predict(images[:3], run)[1], before)
    model = load_model(run)
    model.set_weights([2 * weight for weight in model.get_weights()])
    model.save(run / "model.keras")
    assert np.abs(predict(images[:3], run)[1] - before).max() > 1e-3


def test_photographs_are_classified(run, sample, tmp_path):
    expected, picture = predict(sample.x_val[:1], run)[1], Image.fromarray(255 - as_bytes(sample.x_val)[0])
    picture.save(tmp_path / "0.png")
    for form in ([tmp_path / "0.png"], picture, str(tmp_path / "0.png"), (tmp_path / "0.png").read_bytes()):
        np.testing.assert_allclose(predict(form, run)[1], expected, atol=1e-6)


def test_the_command_classifies_what_it_can_read(run, sample, tmp_path, capsys):
    pictures = [tmp_path / "a boot.png", tmp_path / "text.png", tmp_path / "away.png"]
    Image.fromarray(as_bytes(sample.x_val)[0]).save(pictures[0])
    pictures[1].write_text("no picture")
    with pytest.raises(SystemExit, match="2 of 3 pictures could not be read"):
        main(["predict", "model_8", *map(str, pictures)])
    out, err = capsys.readouterr()
    (label,), (probabilities,) = predict(sample.x_val[:1], "model_8")
    names = data.CLASS_NAMES
    assert out == (
        f"{pictures[0]}: {names[label]}\n{in_characters(sample.x_val[0, ..., 0], probabilities, names)}\n"
    )
    assert "text.png: this is not a picture" in err
    assert "away.png" in err


def test_unknown_data_has_numbers(trained, images, tmp_path):
    """Of a file out of its run's folder nobody knows the classes, and of a picture nobody knows its light."""
    run = runs.run_dir("test", "model_8", 0)
    shutil.copy(run / "model.keras", tmp_path)
    about = data_of(tmp_path / "model.keras")
    assert (about["sha256"], about["class_names"][3]) == ({}, "3")
    own = {"data": runs.read(run)["data"] | {"sha256": {"x_train": "0" * 64}}}
    metrics = json.loads((run / "metrics.json").read_text()) | own
    (run / "metrics.json").write_text(json.dumps(metrics))
    dark = as_bytes(1 - images[:2])
    Image.fromarray(dark[0]).save(tmp_path / "dark.png")
    np.testing.assert_allclose(predict(tmp_path / "dark.png", run)[1], predict(dark, run)[1][:1], atol=1e-6)


def test_characters_show_image_and_probabilities():
    lines = in_characters(np.eye(28), np.arange(10) / 45, data.CLASS_NAMES).splitlines()
    assert lines[0].startswith(f"{'==':<31}Ankle boot   20.0% ####")
    assert lines[9].split() == ["==", "T-shirt/top", "0.0%"]
    assert len(lines) == 14


def test_a_newer_keras_is_named(trained, monkeypatch):
    """Keras' own error names an argument of an initializer."""
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: int("input_axes"))
    monkeypatch.setattr(keras, "__version__", "3.9.2")
    with pytest.raises(runs.RunError, match=r"Keras 3\.1\d\.\d+ saved it, and Keras 3\.9\.2 here is older"):
        load_model(runs.run_dir("test", "model_8", 0))


def test_code_in_a_model_file_is_refused(trained):
    """Keras' safe mode is on when a model is read."""
    folder = runs.run_dir("test", "model_8", 0)
    evil = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Lambda(lambda x: x)])
    evil.save(folder / "model.keras")
    with pytest.raises(runs.RunError, match=r"[Ll]ambda"):
        load_model(folder)


def pointing(image):
    """Logits of a model that knows left: an image brighter on its left is an ankle boot, else a bag."""
    left = image[:, :, :14].sum((1, 2, 3)) > image[:, :, 14:].sum((1, 2, 3))
    return 9 * np.eye(10)[np.where(left, 9, 8)]


def test_shoe_pointing_right_is_mirrored(run, monkeypatch, tmp_path, capsys):
    """It says so; arrays, which may be the data set's, stay as they are."""
    monkeypatch.setattr(training, "predict", lambda model, images, *rest: pointing(images))
    shoes = np.zeros((2, 28, 28), "uint8")
    shoes[0, 10:18, 4:10] = shoes[1, 10:18, 18:24] = 255
    paths = [tmp_path / "left.png", tmp_path / "right.png"]
    for path, shoe in zip(paths, shoes):
        Image.fromarray(shoe).save(path)
    with pytest.warns(UserWarning, match=r"photographs \[1\], counted from 0: mirrored, since"):
        assert predict(paths, run)[0].tolist() == [9, 9]
    assert predict(shoes, run)[0].tolist() == [9, 8]
    main(["predict", str(run), *map(str, paths)])
    heads = [line for line in capsys.readouterr().out.splitlines() if ".png: " in line]
    assert [head.partition(": ")[2].partition(",")[0] for head in heads] == ["Ankle boot"] * 2
    assert ["mirror" in head for head in heads] == [False, True]


def test_no_other_garment_is_mirrored(run, monkeypatch):
    """A picture whose mirror image is a bag stays as it is, however sure the model is of the bag."""
    monkeypatch.setattr(training, "predict", lambda model, images, *rest: pointing(images[:, :, ::-1]) / 2)
    bag = np.zeros((28, 28), "uint8")
    bag[10:18, 18:24] = 255
    assert predict(Image.fromarray(bag), run)[0].tolist() == [9]
