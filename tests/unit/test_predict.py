import io
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fmnist_keras import data, evaluation, predict, runs, training
from fmnist_keras.__main__ import main
from fmnist_keras.tools.predict import as_images, load_model, show


def as_bytes(images):
    return np.round(images[..., 0] * 255).astype("uint8")


def test_predict_gives_labels_and_probabilities_for_every_form_of_image(untouched, sample):
    run = runs.run_dir("test", "model_8", 0)
    raw = as_bytes(sample.x_val[:20])
    labels, probabilities = predict(raw, run)
    assert (labels.shape, probabilities.shape, probabilities.dtype) == ((20,), (20, 10), np.float32)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    logits = load_model(run).predict(as_images(raw), verbose=0)
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


def test_images_of_many_batches_keep_their_order(untouched, sample):
    model, images = load_model(runs.run_dir("test", "model_8", 0)), as_images(sample.x_val[:20])
    at_once, by_sevens = (training.predict(model, images, batch_size) for batch_size in (1000, 7))
    np.testing.assert_allclose(by_sevens, at_once, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(at_once, model.predict(images, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((28, 28)), r"shape \(28, 28\); allowed: \(n, 28, 28\)"),
        (np.full((2, 28, 28), 255, np.uint8), "image 0 is dark on light; allowed: light on black"),
        ([b"", b""], "not a picture of a known format; allowed: PNG, JPEG, WEBP, GIF, BMP, TIFF"),
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


def test_a_run_that_is_not_there_or_no_classifier_s_is_named(untouched, images, tmp_path, monkeypatch):
    with pytest.raises(runs.RunError, match=r"model_6 has no trained weights .*make report MODELS=model_6"):
        predict(images[:1], "model_6")
    with pytest.raises(runs.RunError, match=r"model_8 has no trained weights of seed 3 .*SEEDS=3"):
        runs.find("model_8", seed=3)
    with pytest.raises(runs.RunError, match=r"unknown model 'model_66'; did you mean model_6"):
        predict(images[:1], "model_66")
    with pytest.raises(runs.RunError, match="is not the run of a classifier"):
        predict(images[:1], runs.run_dir("test", "model_1", 0))
    with pytest.raises(runs.RunError, match="is not the run of a classifier"):
        predict(images[:1], ".")
    with pytest.raises(runs.RunError, match="is not a classifier: it gives"):
        predict(images[:1], runs.run_dir("test", "model_1", 0) / "model.keras")
    with pytest.raises(runs.RunError, match=r"away.keras does not exist; allowed: a model's name"):
        predict(images[:1], "away.keras")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(runs.RunError, match=r"unknown model 'mine'.*the folder of that name is ./mine"):
        predict(images[:1], "mine")


def test_a_model_s_name_means_its_run_in_any_suite_and_a_path_the_file(
    untouched, images, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_8").mkdir()  # a folder of the name where one happens to stand: not what is meant
    expected = predict(images, runs.run_dir("test", "model_8", 0))[1]
    np.testing.assert_array_equal(predict(images, "model_8")[1], expected)
    path = tmp_path / "mine.keras"
    shutil.copy(runs.run_dir("test", "model_8", 0) / "model.keras", path)
    for form in (path, str(path), path.name):
        np.testing.assert_allclose(predict(images, form)[1], expected, atol=1e-6)


def test_a_model_is_loaded_once_and_again_when_its_file_is_another(trained, images, monkeypatch):
    run = runs.run_dir("test", "model_8", 0)
    before = predict(images[:3], run)[1]
    with monkeypatch.context() as patch:
        patch.setattr(keras.saving, "load_model", None)
        np.testing.assert_array_equal(predict(images[:3], run)[1], before)
    model = load_model(run)
    model.set_weights([2 * weight for weight in model.get_weights()])
    model.save(run / "model.keras")
    assert np.abs(predict(images[:3], run)[1] - before).max() > 1e-3


def test_photographs_are_taken_as_paths_bytes_and_pillow_s(untouched, sample, tmp_path):
    run = runs.run_dir("test", "model_8", 0)
    expected = predict(sample.x_val[:2], run)[1]
    pictures = [Image.fromarray(255 - image) for image in as_bytes(sample.x_val[:2])]
    pictures[0].save(tmp_path / "0.png")
    np.testing.assert_allclose(predict([tmp_path / "0.png", pictures[1]], run)[1], expected, atol=1e-6)
    np.testing.assert_allclose(predict(str(tmp_path / "0.png"), run)[1], expected[:1], atol=1e-6)
    np.testing.assert_allclose(predict((tmp_path / "0.png").read_bytes(), run)[1], expected[:1], atol=1e-6)


def test_the_command_shows_class_probabilities_and_what_the_network_saw(untouched, sample, tmp_path, capsys):
    pictures = [tmp_path / "a boot.png", tmp_path / "text.png", tmp_path / "away.png"]
    Image.fromarray(as_bytes(sample.x_val)[0]).save(pictures[0])
    pictures[1].write_text("no picture")
    with pytest.raises(SystemExit, match="2 of 3 pictures could not be read"):
        main(["predict", "model_8", *map(str, pictures)])
    out, err = capsys.readouterr()
    (label,), (probabilities,) = predict(sample.x_val[:1], "model_8")
    assert f"a boot.png: {data.CLASS_NAMES[label]}\n" in out
    assert all(f"{name} " in out for name in data.CLASS_NAMES)
    assert f"{probabilities.max():.1%}" in out
    assert len([line for line in out.splitlines() if "*" in line]) > 3  # the boot, in characters
    assert "text.png: this is not a picture" in err
    assert "away.png" in err


@pytest.mark.parametrize(
    ("colour", "encoding", "character"), [(True, "utf-8", "▀"), (True, "latin-1", "@"), (False, "utf-8", "@")]
)
def test_a_picture_is_drawn_with_what_a_terminal_has(sample, colour, encoding, character):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=stream, force_terminal=colour, color_system="truecolor" if colour else None, width=80
    )
    show(sample.x_val[1, ..., 0], np.full(10, 0.1), console)
    stream.seek(0)
    assert character in stream.read()


def test_a_loaded_model_can_be_evaluated(untouched, images, sample):
    model = load_model(runs.run_dir("test", "model_8", 0))
    model.run_eagerly = True  # a graph takes longer to build than this batch takes
    loss, accuracy = model.evaluate(images, sample.y_val[:256], verbose=0)
    assert loss > 0
    assert accuracy == np.mean(predict(images, "model_8")[0] == sample.y_val[:256])


def test_code_in_a_model_file_is_refused(trained, reports):
    """Keras' safe mode is on wherever a model is read."""
    folder = runs.run_dir("test", "model_8", 0)
    evil = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Lambda(lambda x: x)])
    evil.save(folder / "model.keras")
    with pytest.raises(runs.RunError, match=r"[Ll]ambda"):
        load_model(folder)
