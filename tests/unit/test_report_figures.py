"""The report's own figures say in their alt texts what they show, for one seed and for many."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from fmnist_keras import plots, runs
from fmnist_keras.report import claims, figures, tables


def cells(count):
    runs = [
        {part: {"loss": 0.28 + 0.01 * seed, "accuracy": 0.9} for part in ("train", "val")}
        | {"confusion": np.full((10, 10), 100)}
        for seed in range(count)
    ]
    return tables.cuadro_3({"model_5": runs})


def test_cuadro_3_is_green_where_the_paper_s_number_agrees():
    figure = figures.cuadro_3(cells(4))
    assert "model_5 val loss 0.283 and 0.295, agrees: yes" in figure.get_label()
    colours = [line.get_color() for line in figure.axes[0].lines if line.get_linewidth() == 6]
    assert colours == [figures.RED, figures.GREEN]
    exercise = figures.cuadro_3(cells(4), exercise=True)
    assert {line.get_color() for line in exercise.axes[0].lines[:-1]} == {figures.GREY}
    assert "agrees: not enough runs" in figures.cuadro_3(cells(1)).get_label()


def test_the_forest_names_every_verdict_and_draws_an_interval_only_where_there_is_one():
    part = {"part": "a part", "unit": "points", "above": 0, "below": np.nan, "part_verdict": "holds"}
    one = {"estimate": 2.0, "low": 1.0, "high": 3.0, "decides_part": True}
    row = {"claim": "C1", "statement": "something", "verdict": "holds"} | part | one
    figure = figures.forest(pd.DataFrame([row]))
    assert "C1 something: holds" in figure.get_label()
    assert "C1 holds: a part" in [text.get_text() for text in figure.axes[0].texts]
    drawn = [line for line in figure.axes[0].lines if line.get_linewidth() == 3 and len(line.get_xdata())]
    assert len(drawn) == 1
    figures.forest(claims.judge({}))  # nothing to draw is no error


def test_no_number_of_a_scale_runs_into_its_unit():
    rows = pd.DataFrame(json.loads((runs.ROOT / "reports" / "paper" / "claims.json").read_text("utf-8")))
    (axes,) = figures.forest(rows).axes
    axes.figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
    units = set(rows["unit"])
    numbers = [box for text, box in boxes if text not in units and text[0] in "-0123456789"]
    assert len(numbers) > 100
    assert not [box for text, box in boxes if text in units and box.count_overlaps(numbers)]


@pytest.mark.parametrize("seeds", [1, 3])
def test_curves_of_many_seeds_are_a_median_and_a_band(seeds):
    made = [pd.DataFrame({"val_loss": np.linspace(1, 0.1 * (seed + 1), 5 + seed)}) for seed in range(seeds)]
    figure = figures.curves({"model_6": made}, "val_loss", "error", "Errors")
    (axes,) = figure.axes
    assert [line.get_color() for line in axes.lines] == [plots.colour("model_6")]
    assert len(axes.collections) == (seeds > 1)
    assert f"model_6 {0.1 * (seeds + 1) / 2:.4f}" in figure.get_label()


@pytest.mark.parametrize("names", [
    [f"model_{n}" for n in range(1, 9)],
    ["sw_n16_p00", "sw_n16_p04", "sw_n64_p00", "sw_n64_p04"],
    ["tiny_autoencoder", *(f"tiny_autoencoder-latent_dim_{n}" for n in (4, 8, 16, 32, 64, 128, 256))],
])  # fmt: skip
def test_every_model_of_a_chart_is_told_apart_by_colour_and_by_line_or_marker(names):
    histories = {name: [{"val_loss": [0.3, 0.2]}, {"val_loss": [0.4, 0.1]}] for name in names}
    figure = figures.curves(histories, "val_loss", "loss", "Loss")
    (axes,) = figure.axes
    drawn = {line.get_label(): line for line in axes.lines}
    assert list(drawn) == names
    assert len({line.get_color() for line in drawn.values()}) == len(names)
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn.values()}) == len(names)


@pytest.mark.parametrize("count", [2, 12])
def test_long_names_stay_within(count):
    """In lines of their own they leave the chart its room, and touch no other name."""
    long = (
        "tiny_classifier-encoder_from_tiny_autoencoder-own_layers-451137_parameters-own_layers-224714_parame"
    )
    histories = {f"{long}-{number}": [{"val_loss": [0.3, 0.2]}] for number in range(count)}
    figure = figures.curves(histories, "val_loss", "loss", "Loss")
    figure.draw_without_rendering()
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    texts = legends or [axes.title for axes in figure.axes if axes.lines]
    boxes = [text.get_window_extent() for text in texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert min(axes.bbox.width for axes in figure.axes) > figure.bbox.width / 8


def test_the_paper_s_models_keep_their_colours():
    names = ["model_2", "model_5"]
    assert [style["color"] for style in plots.styles(names).values()] == [
        plots.colour(name) for name in names
    ]


def test_more_models_than_a_chart_holds_have_a_chart_each():
    histories = {f"sw_{n}": [{"val_loss": [0.5, 0.5 - n / 100]}, {"val_loss": [0.5]}] for n in range(12)}
    figure = figures.curves(histories, "val_loss", "loss", "Loss")
    shown = [axes for axes in figure.axes if axes.lines]
    assert len(shown) == 12
    titles = [axes.get_title() for axes in shown]
    assert titles == list(histories)
    assert all(name in figure.get_label() for name in histories)
