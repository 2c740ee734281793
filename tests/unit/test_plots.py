import html
import io
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
import seaborn as sns
from conftest import fitted
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from fmnist_keras import evaluation, plots

STRIPE = evaluation.stripe_mask()
HISTORY = fitted(loss=[0.5, 0.3, 0.31], val_loss=[0.4, 0.25, 0.29])
COUNTS = np.diag([9] * 10) + 6 * np.eye(10, k=-4, dtype=int)
CERTAIN = evaluation.calibration(np.full((20, 10), 0.1), np.zeros(20, int))  # argmax is 0: all right
CHARTS = {"curves", "confusion_matrix", "reliability"}
OWN = {"image.origin": "lower", "image.cmap": "jet", "font.size": 30, "axes.grid": True}
OWN |= {"figure.facecolor": "black", "figure.dpi": 300, "savefig.pad_inches": 2, "svg.fonttype": "path"}
OWN |= {"text.usetex": True}  # fails without LaTeX


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def drawn(images, sample):
    """Return what draws each figure, and words of its alt text: a dict of name to both."""
    labels = sample.y_val[:256].astype(int)
    others, maps = np.roll(labels, 1), {"model_1": np.eye(28), "model_4": np.ones((28, 28))}
    confused = {(6, 0): images[:3], (2, 4): images[:0]}
    return {
        "curves": (
            lambda: plots.curves(HISTORY, "loss", "mean squared error"),
            "from 0.4000 to 0.2900; best epoch 2 with 0.2500",
        ),
        "reconstructions": (
            lambda: plots.reconstructions(images[:10], images[1:11], labels[:10]),
            "10 validation images",
        ),
        "error_map": (lambda: plots.error_map(maps["model_1"], STRIPE), "0.0189 in rows and columns 25"),
        "error_maps": (lambda: plots.error_maps(maps, STRIPE), "model_4 1.0000 and 1.0000"),
        "examples": (lambda: plots.examples(images[:10], labels[:10]), "10 images: Ankle boot, Pullover"),
        "prediction_grid": (
            lambda: plots.prediction_grid(images[:11], labels[:11], others[:11]),
            "wrong predictions: 10",
        ),
        "confusion_matrix": (lambda: plots.confusion_matrix(labels, others), "the largest confusion is"),
        "reliability": (lambda: plots.reliability(CERTAIN, "model_5"), "expected calibration error 0.9000"),
        "latent_space": (lambda: plots.latent_space(np.ones((256, 2)), labels, 0.5), "50% of their variance"),
        "interpolation": (lambda: plots.interpolation(images[:10], "Sandal", "Bag"), "from Sandal to Bag"),
        "feature_maps": (
            lambda: plots.feature_maps(np.ones((26, 26, 16)), np.zeros((11, 11, 32))),
            "32 maps of 11x11; 32 of them are 0 everywhere",
        ),
        "confusion_examples": (
            lambda: plots.confusion_examples(confused, COUNTS),
            "Shirt, taken for T-shirt/top",
        ),
    }


def test_alt_texts_say_their_numbers(drawn):
    for name, (draw, words) in drawn.items():
        figure = draw()
        assert words in figure.get_label(), name
        assert figure.get_label().endswith("."), name
        assert figure.is_chart == (name in CHARTS), name
    assert plt.get_fignums() == []  # pyplot would show each a second time


@pytest.mark.parametrize(("name", "endings"), [("curves", {".png", ".svg"}), ("examples", {".png"})])
def test_files_keep_the_alt_text(drawn, name, endings):
    figure = drawn[name][0]()
    alt, files = figure.get_label(), figure.files()
    assert set(files) == endings
    data, _ = DisplayFormatter().format(figure)
    assert data["text/plain"] == alt
    assert data["text/html"].startswith(f'<img alt="{html.escape(alt)}" width="')
    assert ("svg+xml" in data["text/html"]) == (".svg" in endings)
    assert len(data["image/png"]) < len(files[".png"]) / 2  # a notebook in git has both
    with Image.open(io.BytesIO(files[".png"])) as image:
        assert image.text["Description"] == alt  # the report takes it from there


def test_charts_are_small_vectors_with_text(drawn):
    for name in CHARTS:
        figure = drawn[name][0]()
        svg = figure.files()[".svg"]
        assert svg == drawn[name][0]().files()[".svg"]  # to the byte
        assert len(svg) < 60_000
        assert b"sans-serif" in svg  # for readers without the font that it was measured in
        root = ElementTree.fromstring(svg)
        assert root.findtext("{http://www.w3.org/2000/svg}title") == figure.get_label()
        tags = {element.tag.split("}")[1] for element in root.iter()}
        assert tags & {"text", "image"} == {"text"}


def test_a_person_s_style_changes_no_figure(drawn):
    """Neither a matplotlibrc nor a theme does, and both stay as they are."""
    several = ("curves", "reconstructions", "error_map", "confusion_matrix")
    expected = [drawn[name][0]().files() for name in several]
    with plt.rc_context(OWN):
        assert [drawn[name][0]().files() for name in several] == expected
        assert {name: plt.rcParams[name] for name in OWN} == OWN
    with plt.rc_context():
        sns.set_theme(context="poster", style="darkgrid")
        assert [drawn[name][0]().files() for name in several] == expected


def test_prediction_grid_marks_mistakes(images):
    labels, predictions = np.array([0, 1, 2]), np.array([0, 1, 4])
    figure = plots.prediction_grid(images[:3], labels, predictions)
    assert "wrong predictions: 1, Pullover taken for Coat" in figure.get_label()
    (axes,) = figure.axes
    above, beside = ([text.get_text() for text in axes.texts[i::2]] for i in (0, 1))
    assert above == ["T-shirt/top", "Trouser", "✗ Coat"]
    assert beside == ["T-shirt/top", "Trouser", "Pullover"]
    widths = [frame.get_linewidth() for frame in axes.patches]
    assert widths[0] == widths[1] < widths[2]


def test_mosaic():
    """Tiles are row by row, with nothing between them."""
    tiles = np.arange(3 * 4 * 5, dtype="float32").reshape(3, 4, 5)
    canvas, down, across = plots.mosaic(tiles, columns=2, gap=(1, 2))
    assert canvas.shape == (4 + 1 + 4, 5 + 2 + 5)
    for (row, column), tile in zip([(0, 0), (0, 7), (5, 0)], tiles):
        np.testing.assert_array_equal(canvas[row:, column:][:4, :5], tile)
    assert np.isnan(canvas).sum() == canvas.size - tiles.size
    assert (down.tolist(), across.tolist()) == ([1.5, 6.5], [2.0, 9.0])


def test_a_model_keeps_its_colour():
    assert len({plots.colour(f"model_{i}") for i in range(1, 9)}) == 8
    assert plots.colour("model_5_epoch_15") == plots.colour("model_5")
    assert plots.colour("mine-epochs_30") == plots.colour("mine")
    for figure in (plots.curves(HISTORY, model="model_6"), plots.reliability(CERTAIN, "model_6")):
        assert plots.colour("model_6") in [line.get_color() for line in figure.axes[0].lines]
