"""The report's own figures say in their alt texts what they show, for one seed and for many."""

import itertools

import numpy as np
import pandas as pd
import pytest

from fmnist_keras import _figure
from fmnist_keras.report import figures

LAYERS = [
    ["Conv2D(filters=16, kernel_size=[3, 3])", "ReLU()", "Dropout(rate=0.3)"],
    ["MaxPooling2D(pool_size=[2, 2], strides=[2, 2])", "Flatten()", "Dense(units=64)", "ReLU()"],
    ["Dense(units=800)", "Reshape(target_shape=[5, 5, 32])"],
    ["Conv2DTranspose(filters=16, kernel_size=[4, 4], output_padding=[1, 1], strides=[2, 2])"],
    ["Conv2DTranspose(filters=1, kernel_size=[4, 4], strides=[2, 2])", "Activation(activation=sigmoid)"],
]


def test_a_drawing_has_the_layers_sizes():
    encoder, decoder = sum(LAYERS[:2], []), sum(LAYERS[2:], [])
    assert [shape for _, _, shape, _ in figures.stages(encoder, (28, 28, 1))] == [
        (26, 26, 16),
        (13, 13, 16),
        (2704,),
        (64,),
    ]
    assert figures.stages(encoder, (28, 28, 1))[0][:2] == ("conv 3×3", ["ReLU", "dropout"])
    figure = figures.architecture(encoder, decoder)
    assert "dense 64. Decoder: dense 800, reshape 5×5×32, convᵀ 4×4 13×13×16" in figure.get_label()
    assert "convᵀ 4×4, sigmoid" in [text.get_text() for text in figure.axes[0].texts]


def test_the_overview_names_image_code_and_class():
    images = np.zeros((2, 28, 28, 1))
    alt = figures.overview(*images, "Bag", "model_1, 64 numbers", "model_6", "Shirt").get_label()
    assert all(words in alt for words in ("image (Bag)", "(model_1, 64 numbers)", "Shirt (model_6)"))
    assert "class" not in figures.overview(*images, "Bag", "model_1").get_label()


@pytest.fixture
def rows(tmp_path):
    """Return rows of `runs.table` of these histories: a dict of model to lists of losses, a seed each."""

    def write(**histories):
        made = []
        for model, seeds in histories.items():
            for seed, losses in enumerate(seeds):
                folder = tmp_path / model / f"seed_{seed}"
                folder.mkdir(parents=True)
                values = {"loss": np.divide(losses, 2), "val_loss": losses}
                history = pd.DataFrame({"epoch": range(1, len(losses) + 1)} | values)
                history.to_csv(folder / "history.csv", index=False)
                made.append({"model": model, "folder": folder})
        return pd.DataFrame(made, columns=["model", "folder"])

    return write


def chart(rows):
    return figures.curves(rows, "val_loss", "error", "Errors")


@pytest.mark.parametrize("seeds", [1, 3])
def test_many_seeds_are_a_median_and_a_band(rows, seeds):
    figure = chart(rows(model_6=[np.linspace(1, 0.1 * (seed + 1), 5 + seed) for seed in range(seeds)]))
    (axes,) = figure.axes
    assert [line.get_color() for line in axes.lines] == [_figure.colour("model_6")]
    assert len(axes.collections) == (seeds > 1)
    assert axes.lines[0].get_ydata()[-1] == 0.1 * seeds  # of the seed that still trains
    assert f"model_6 {0.1 * seeds:.4f}" in figure.get_label()


def test_no_run_has_no_curve(rows):
    assert chart(rows()).data == ""


@pytest.mark.parametrize("names", [
    [f"model_{n}" for n in range(1, 9)],
    ["sw_n16_p00", "sw_n16_p04", "sw_n64_p00", "sw_n64_p04"],
    ["tiny_autoencoder", *(f"tiny_autoencoder-latent_dim_{n}" for n in (4, 8, 16, 32, 64, 128, 256))],
])  # fmt: skip
def test_models_of_a_chart_differ(rows, names):
    """By colour, and by line or marker."""
    (axes,) = chart(rows(**{name: [[0.3, 0.2], [0.4, 0.1]] for name in names})).axes
    drawn = {line.get_label(): line for line in axes.lines}
    assert list(drawn) == names
    assert len({line.get_color() for line in drawn.values()}) == len(names)
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn.values()}) == len(names)


@pytest.mark.parametrize("count", [2, 12])
def test_long_names_stay_within(rows, count):
    """In lines of their own they leave the chart its room, and touch no other name."""
    long = "tiny_classifier-encoder_from_tiny_autoencoder-own_layers-451137_parameters-own_layers-224714_para"
    figure = chart(rows(**{f"{long}-{number}": [[0.3, 0.2]] for number in range(count)}))
    figure.draw_without_rendering()
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    texts = legends or [axes.title for axes in figure.axes if axes.lines]
    boxes = [text.get_window_extent() for text in texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert min(axes.bbox.width for axes in figure.axes) > figure.bbox.width / 8


def test_the_paper_s_models_keep_their_colours():
    names = ["model_2", "model_5"]
    assert [style["color"] for style in _figure.styles(names).values()] == [*map(_figure.colour, names)]


def test_many_models_have_a_chart_each(rows):
    names = [f"sw_{n}" for n in range(12)]
    figure = chart(rows(**{name: [[0.5, 0.4], [0.5]] for name in names}))
    shown = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_title() for axes in shown] == names
    assert all(name in figure.get_label() for name in names)


def test_training_is_dashed_beside_validation(rows):
    """Each model has a chart of its own, on one logarithmic axis."""
    made = rows(model_1=[[0.4, 0.2], [0.4, 0.4]], model_2=[[0.5, 0.1]])
    figure = figures.curves(made, "val_loss", "error", "Errors", "loss")
    shown = [axes for axes in figure.axes if axes.lines]
    assert [[line.get_linestyle() for line in axes.lines] for axes in shown] == [["--", "-"]] * 2
    assert (
        "model_1 0.3000, model_2 0.1000. Dashed, loss: model_1 0.1500, model_2 0.0500." in figure.get_label()
    )
    assert {axes.get_yscale() for axes in shown} == {"log"}
