"""What a person's own matplotlibrc, theme or backend says holds for their plots and not for the project's."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import seaborn as sns
from conftest import fitted

from fmnist_keras import evaluation, plots

HISTORY = fitted(loss=[0.5, 0.3], val_loss=[0.4, 0.25])
OWN = {
    "image.origin": "lower",
    "image.cmap": "jet",
    "font.size": 30,
    "axes.grid": True,
    "axes.prop_cycle": matplotlib.cycler(color=["red"]),
    "figure.facecolor": "black",
    "figure.dpi": 300,
    "savefig.pad_inches": 2,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "path.sketch": (1, 100, 2),
    "legend.loc": "lower left",
    "text.usetex": True,  # fails without LaTeX
}


def drawn():
    """A hash of what a page would hold of a chart, rows of images, a map and a confusion matrix, each."""
    images = np.tile(np.linspace(0, 1, 28, dtype="float32")[:, None, None], (3, 1, 28, 1))
    made = [
        plots.curves(HISTORY, "loss"),
        plots.image_rows({"original": images, "decoded": images}, "rows", ["a", "b", "c"]),
        plots.error_map(images[0, ..., 0], evaluation.stripe_mask()),
        plots.confusion_shares(np.eye(10)),
    ]
    return [hash(figure._repr_mimebundle_()["text/html"]) for figure in made]


@pytest.fixture(scope="module")
def expected():
    return drawn()


def test_a_matplotlibrc_changes_no_figure(expected):
    with plt.rc_context(OWN):
        assert drawn() == expected
        assert {name: plt.rcParams[name] for name in OWN} == OWN  # a person's own plots stay theirs


def test_a_seaborn_theme_changes_no_figure(expected):
    with plt.rc_context():
        sns.set_theme(context="poster", style="darkgrid")
        assert drawn() == expected


def test_originals_stand_above_reconstructions():
    light, dark = (np.full((2, 28, 28, 1), value, "float32") for value in (1, 0))
    with plt.rc_context({"image.origin": "lower"}):
        (axes,) = plots.reconstructions(light, dark, np.array([0, 1])).axes
    axes.figure.draw_without_rendering()
    original, decoded = (axes.transData.transform((0, y))[1] for y in axes.get_yticks())
    assert [label.get_text() for label in axes.get_yticklabels()] == ["original", "reconstruction"]
    assert original > decoded  # in pixels from the bottom
