import html
import io
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import fitted
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from fmnist_keras import evaluation, plots

STRIPE = evaluation.stripe_mask()
HISTORY = {"loss": [0.5, 0.3, 0.31], "val_loss": [0.4, 0.25, 0.29]}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def drawn(images, sample):
    """What draws each figure: dict of name to a function."""
    labels = sample.y_val[:256].astype(int)
    counts = evaluation.confusion_counts(labels, np.roll(labels, 1))
    calibration = evaluation.calibration(np.eye(10)[labels], labels)
    return {
        "curves": lambda: plots.curves(fitted(**HISTORY), "loss", "mean squared error"),
        "reconstructions": lambda: plots.reconstructions(images[:10], images[1:11], labels[:10]),
        "error_map": lambda: plots.error_map(np.ones((28, 28)), evaluation.stripe_mask()),
        "error_maps": lambda: plots.error_maps({"model_1": np.eye(28), "model_4": np.ones((28, 28))}, STRIPE),
        "examples": lambda: plots.examples(images[:10], labels[:10]),
        "gallery": lambda: plots.prediction_grid(images[:11], labels[:11], np.roll(labels, 1)[:11]),
        "confusion": lambda: plots.confusion_matrix(labels, np.roll(labels, 1)),
        "reliability": lambda: plots.reliability(calibration, "model_5"),
        "latent_space": lambda: plots.latent_space(np.ones((256, 2)), labels, 0.5),
        "t-SNE": lambda: plots.latent_space(np.ones((256, 2)), labels),
        "interpolation": lambda: plots.interpolation(images[:10], "Sandal", "Bag"),
        "feature_maps": lambda: plots.feature_maps(np.ones((26, 26, 16)), np.zeros((11, 11, 32))),
        "confused": lambda: plots.confusion_examples({(6, 0): images[:3], (2, 4): images[:0]}, counts),
    }


CHARTS = {"curves", "confusion", "reliability"}


def test_every_figure_has_an_alt_text(drawn):
    for name, draw in drawn.items():
        figure = draw()
        alt = figure.get_label()
        assert len(alt) > 20, name
        assert alt.endswith("."), name
        assert figure.is_chart == (name in CHARTS), name
    assert plt.get_fignums() == []  # pyplot would show each a second time


@pytest.mark.parametrize(("name", "endings"), [("curves", {".png", ".svg"}), ("examples", {".png"})])
def test_files_keep_the_alt_text(drawn, name, endings):
    figure = drawn[name]()
    alt, files = figure.get_label(), figure.files()
    assert set(files) == endings
    data, _ = DisplayFormatter().format(figure)
    assert data["text/plain"] == alt
    assert data["text/html"].startswith(f'<img alt="{html.escape(alt)}" width="')
    assert ("svg+xml" in data["text/html"]) == (".svg" in endings)
    assert len(data["image/png"]) < len(files[".png"]) / 2  # a notebook in git has both
    sizes = [Image.open(io.BytesIO(png)).size for png in (data["image/png"], files[".png"])]
    assert sizes[0] == sizes[1]
    with Image.open(io.BytesIO(files[".png"])) as image:
        assert image.text["Description"] == alt  # the report takes it from there
    assert plt.get_fignums() == []


def test_a_changed_figure_is_rendered_again(drawn):
    figure = drawn["curves"]()
    first = figure.files()
    assert figure.files() is first
    figure.axes[0].set_title("another")
    assert b"another" in figure.files()[".svg"]


def test_charts_are_small_vectors_with_text(drawn):
    assert drawn["curves"]().files() == drawn["curves"]().files()  # to the byte
    for name in CHARTS:
        figure = drawn[name]()
        text = figure.files()[".svg"].decode()
        assert len(text) < 60_000
        assert "sans-serif" in text  # for readers without the font that it was measured in
        root = ElementTree.fromstring(text)
        assert root.findtext("{http://www.w3.org/2000/svg}title") == figure.get_label()
        tags = {element.tag.split("}")[1] for element in root.iter()}
        assert "text" in tags
        assert "image" not in tags


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("curves", "from 0.4000 to 0.2900; best epoch 2 with 0.2500"),
        ("error_maps", "model_4 1.0000 and 1.0000"),
        ("feature_maps", "32 maps of 11x11; 32 of them are 0 everywhere"),
        ("reliability", "expected calibration error 0.0000"),
        ("confused", "Shirt, taken for T-shirt/top"),
    ],
)
def test_alt_texts_say_their_own_numbers(drawn, name, words):
    assert words in drawn[name]().get_label()


def test_the_gallery_marks_what_is_wrong(images):
    labels, predictions = np.array([0, 1, 2]), np.array([0, 1, 4])
    figure = plots.prediction_grid(images[:3], labels, predictions)
    assert "wrong predictions: 1, Pullover taken for Coat" in figure.get_label()
    (axes,) = figure.axes
    above, beside = ([text.get_text() for text in axes.texts[i::2]] for i in (0, 1))
    assert above == ["T-shirt/top", "Trouser", "✗ Coat"]
    assert beside == ["T-shirt/top", "Trouser", "Pullover"]
    widths = [frame.get_linewidth() for frame in axes.patches]
    assert widths[0] == widths[1] < widths[2]


def test_tiles_stand_row_by_row_with_nothing_between_them():
    tiles = np.arange(3 * 4 * 5, dtype="float32").reshape(3, 4, 5)
    canvas, down, across = plots.mosaic(tiles, columns=2, gap=(1, 2))
    assert canvas.shape == (4 + 1 + 4, 5 + 2 + 5)
    np.testing.assert_array_equal(canvas[:4, :5], tiles[0])
    np.testing.assert_array_equal(canvas[:4, 7:], tiles[1])
    np.testing.assert_array_equal(canvas[5:, :5], tiles[2])
    assert np.isnan(canvas).sum() == canvas.size - tiles.size
    assert (down.tolist(), across.tolist()) == ([1.5, 6.5], [2.0, 9.0])


def test_a_model_keeps_its_colour():
    assert plots.colour("model_3") == plots.colour("model_3")
    assert len({plots.colour(f"model_{i}") for i in range(1, 9)}) == 8
    assert plots.colour("model_5_epoch_15") == plots.colour("model_5")
    assert plots.colour("mine-epochs_30") == plots.colour("mine")
    calibration = evaluation.calibration(np.full((20, 10), 0.1), np.arange(20) % 10)
    for figure in (
        plots.curves(fitted(**HISTORY), "loss", "mean squared error", "model_6"),
        plots.reliability(calibration, "model_6"),
    ):
        assert plots.colour("model_6") in [line.get_color() for line in figure.axes[0].lines]


def test_a_reliability_diagram_shows_its_expected_calibration_error():
    calibration = evaluation.calibration(np.full((20, 10), 0.1), np.zeros(20, int))  # argmax is 0: all right
    (axes,) = plots.reliability(calibration, "model_6").axes
    assert axes.get_title() == "expected calibration error 0.9000"
