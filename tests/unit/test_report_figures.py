"""The report's own figures say in their alt texts what they show, for one seed and for many."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from fmnist_keras import plots, runs
from fmnist_keras.report import claims, figures, paper


def drawn(count, exercise=False):
    """Return the figure of Table III, of some runs of model 5."""
    ours = [
        {"model": "model_5", "number": number, "ours": 0.28 + 0.01 * seed if "loss" in number else 90.0}
        for number in paper.RESULTS["model_5"]
        for seed in range(count)
    ]
    ours = pd.DataFrame(ours)
    cells = ours.groupby(["model", "number"], sort=False)["ours"].agg(["mean", "min", "max", "size"])
    cells = cells.rename(columns={"min": "low", "max": "high"}).reset_index()
    cells["paper"] = [0.236, 0.283, 91.8, 90.0]
    cells["reproduced"] = ["no", "yes", "no", "yes"] if count > 1 else None
    return figures.table_iii(ours, cells, exercise)


def test_a_reproduced_number_is_green():
    figure = drawn(4)
    assert "model_5 val loss 0.283 and 0.295, reproduced: yes" in figure.get_label()
    colours = [line.get_color() for line in figure.axes[0].lines if line.get_linewidth() == 6]
    assert colours == [figures.RED, figures.GREEN]
    assert {line.get_color() for line in drawn(4, exercise=True).axes[0].lines[:-1]} == {figures.GREY}
    assert "reproduced: unknown of one run" in drawn(1).get_label()


def test_dots_are_ours_minus_the_papers():
    losses, accuracies = drawn(4).axes
    assert list(losses.lines[1].get_xdata()) == pytest.approx([0.044, 0.054, 0.064, 0.074])
    assert list(accuracies.lines[1].get_xdata()) == pytest.approx([-1.8] * 4)


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


@pytest.fixture
def rows(tmp_path):
    """Return rows of `runs.table` of these histories: a dict of model to lists of losses, a seed each."""

    def write(**histories):
        made = []
        for model, seeds in histories.items():
            for seed, losses in enumerate(seeds):
                folder = tmp_path / model / f"seed_{seed}"
                folder.mkdir(parents=True)
                pd.DataFrame({"epoch": range(1, len(losses) + 1), "val_loss": losses}).to_csv(
                    folder / "history.csv", index=False
                )
                made.append({"model": model, "folder": folder})
        return pd.DataFrame(made, columns=["model", "folder"])

    return write


def chart(rows):
    return figures.curves(rows, "val_loss", "error", "Errors")


@pytest.mark.parametrize("seeds", [1, 3])
def test_many_seeds_are_a_median_and_a_band(rows, seeds):
    figure = chart(rows(model_6=[np.linspace(1, 0.1 * (seed + 1), 5 + seed) for seed in range(seeds)]))
    (axes,) = figure.axes
    assert [line.get_color() for line in axes.lines] == [plots.colour("model_6")]
    assert len(axes.collections) == (seeds > 1)
    assert f"model_6 {0.1 * (seeds + 1) / 2:.4f}" in figure.get_label()


def test_no_run_has_no_curve(rows):
    assert chart(rows()).get_label() == "None in this suite."


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
    assert [style["color"] for style in plots.styles(names).values()] == [*map(plots.colour, names)]


def test_many_models_have_a_chart_each(rows):
    names = [f"sw_{n}" for n in range(12)]
    figure = chart(rows(**{name: [[0.5, 0.4], [0.5]] for name in names}))
    shown = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_title() for axes in shown] == names
    assert all(name in figure.get_label() for name in names)
