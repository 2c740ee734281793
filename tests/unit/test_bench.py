"""The benchmark's arithmetic and page, where a wrong number looks like a right one; nothing is timed here."""

import json
import re
import sys

import keras
import numpy as np
import pytest
from keras import layers

from fmnist_keras import models, runs

sys.path.insert(0, str(runs.ROOT / "benchmarks"))
import floor
import gpu
import keras_script
import page
import profile_step
import watch

WAYS = (
    *("project, one a core", "project, all threads", "keras", "keras, XLA"),
    *("pytorch contiguous", "pytorch contiguous, one a core"),
    *("pytorch channels_last", "pytorch channels_last, one a core"),
)
SPEED = dict(zip(WAYS, (4000, 3000, 2000, 100, 1000, 1500, 1250, 1600)))
GPU_SPEED = dict(zip(gpu.WAYS, (80_000, 70_000, 40_000, 32_000, 20_000, 30_000, 64_000)))
EPOCHS = {"model_1": 12, "model_4": 42, "model_5": 22, "model_8": 2}


def run(seconds, fit=10.0, **more):
    return {"seconds": seconds, "epoch": 5.0, "memory": 1024.0, "parts": {"fit": fit, "data": 0.5}} | more


def profiled(seconds):
    """A profile of 10,000 images of model 1: dropout is half a step, and 10 GFLOP/s go into convolutions."""
    parts = {"dropout": 0.5, "convolution, forward": 0.25, "between ops": 0.25}
    one = {"images": 10_000, "seconds": seconds, "timed": seconds / 1.25}
    one["groups"] = {part: share * seconds for part, share in parts.items()}
    one["operations"] = {"convolution, forward": 2.5e5 * seconds, "matrix product": 0}
    return {"product": 40.0, "models": {"model_1": one}}


@pytest.fixture
def results():
    """A bench.json of four models, every figure chosen so that the page's can be told in one's head."""
    about = {"date": "2026-01-01 00:00", "took": 60, "repeats": 3, "quick": False}
    about["machine"] = {"cpu": "a processor", "cores": 2, "memory_gb": 8, "load_before": 0.1, "python": "3"}
    scripts = {"seconds": 80.0, "models": {model: {"seconds": 20.0, "epoch": 5.0} for model in EPOCHS}}
    project = {"seconds": 50.0, "around": 10.0, "models": {model: run(20.0) for model in EPOCHS}}
    slower = project | {"seconds": 60.0}
    points = {str(x): run(x / 1000 + 5) for x in (1000, 2000, 4000)}
    epochs = {str(x): run(2.0 * x + 5) for x in (1, 2)} | {"4": run(30.0)}
    sections = {
        "1": {
            "images": 10_000,
            "images_xla": 400,
            "rates": {
                way: [dict.fromkeys(["model_1"] if "XLA" in way else EPOCHS, speed)] * 3
                for way, speed in SPEED.items()
            },
        },
        "2": {
            "runs": {
                "project": [project, slower, slower],
                **{rival: [scripts | {"seconds": 90.0}] * 3 for rival in ("keras", "pytorch")},
            }
        },
        "3": {
            "epochs": 2,
            "scripts_part": 1,
            "epochs_paper": EPOCHS,
            "encoder_from": {"model_5": "model_1", "model_8": "model_4"},
            "runs": {"project": [project], "keras": [scripts], "pytorch": [scripts]},
        },
        "4": {
            "rates": {"one thread": [{"numpy": 50.0}] * 3, "all threads": [{"numpy": 100.0}] * 3},
            "models": {"model_1": {"batch_size": 100, "forward": 2e6, "step": 5e6}},
        },
        "5": {
            "runs": [{"images": points, "epochs": epochs}],
            **{f"models {n}": [10.0 * n] for n in (1, 2, 4)},
            **{f"seeds {n}": [10.0 * n] for n in (2, 4)},
        },
        "6": {"nothing": [5.0, 6.0, 7.0], "touched": [12.0], "edited": [40.0]},
        "8": {"runs": [profiled(1.2), profiled(1.0), profiled(1.1)]},
        "9": {
            "epochs": 10,
            "seconds": {
                **{"model_1 plain": [38.0, 42.0], "model_1 notebook": [20.0, 20.0]},
                **{"model_5 plain": [30.0, 30.0], "model_5 notebook": [20.0, 30.0]},
            },
        },
        "7": {"images": 6_000, "rates": {"ours": [{"model_1": 100.0}] * 3, "slow": [{"model_1": 60.0}] * 3}},
        "gpu": {
            **{"backend": "jax", "images": 60_000, "epochs": 3},
            "ways": {
                way: {model: {"rates": [speed, speed, 2 * speed], "first_epoch": 5.0} for model in EPOCHS}
                for way, speed in GPU_SPEED.items()
            },
        },
    }
    sections["gpu"]["machine"] = about["machine"] | {"gpu": "a card", "driver": "1"}
    return json.loads(json.dumps({"sections": {number: about | s for number, s in sections.items()}}))


def test_a_step_of_model_1_needs_what_its_layers_say():
    encoder, decoder = models.encoder(64, 0.2), models.decoder(64, 0.2, "output_padding")
    convolutions = 26 * 26 * 16 * 3 * 3, 11 * 11 * 32 * 3 * 3 * 16
    dense = 800 * 64 + 64 * 800
    transposed = 5 * 5 * 32 * 4 * 4 * 16 + 13 * 13 * 16 * 3 * 3
    forward = 2 * (sum(convolutions) + dense + transposed)
    assert forward == 1_972_896
    found = floor.operations(models.autoencoder(encoder, decoder))
    assert {kind: found[kind, "forward"] for kind in ("convolution", "dense")} == {
        "convolution": forward - 2 * dense,
        "dense": 2 * dense,
    }
    # Nothing trains below the first convolution: the gradient of the images is not needed.
    assert sum(found.values()) == 3 * forward - 2 * convolutions[0]


def test_a_frozen_encoder_costs_its_forward_pass_alone():
    classifier = models.classifier(models.encoder(128, 0.3), None, train_encoder=False)
    found = {kind: count for kind, count in floor.operations(classifier).items() if count}
    assert found == {
        ("convolution", "forward"): 2 * (26 * 26 * 16 * 9 + 11 * 11 * 32 * 9 * 16),
        ("dense", "forward"): 2 * (800 * 128 + 128 * 10),
        ("dense", "weights"): 2 * 128 * 10,
    }


def test_a_profile_s_parts_add_up_to_its_wall_time():
    events = [
        ("tf_Compute/1", "a/Relu:Relu", 10, 30),
        ("tf_Compute/1", "a/inner:Mul", 15, 20),  # within the other: no time of its own
        ("tf_Compute/1", "a/late:Sub", 25, 40),  # overlaps: what is left of it
        ("tf_Compute/1", "ExecutorState::Process", 0, 90),  # not an operation
        ("tf_data_iterator/2", "Iterator::Root", 35, 60),
        ("tf_data_private/3", "Cast:Cast", 50, 70),
        ("tf_Compute/1", "a/last:Mul", 80, 120),  # ends after the whole
    ]
    found = profile_step.attribute(events, 5, 100)
    assert found == {
        **{"a/Relu:Relu": 20, "a/late:Sub": 10, "a/last:Mul": 20},
        profile_step.PIPELINE: 30,
        profile_step.BETWEEN: 5 + 10,
    }
    assert sum(found.values()) == 95


class Dropout(layers.Dropout):
    """Ours, as far as a saved model is concerned Keras'."""

    __module__ = "keras.layers"


def test_plain_keras_has_layers_of_keras_own_and_the_same_weights():
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(3), Dropout(0.5)], name="encoder")
    encoder.trainable = False
    model = keras.Sequential([keras.Input((4,)), encoder, layers.Dense(2)])
    own = keras_script.of_keras_own_layers(model)
    assert [type(layer) for layer in floor.in_order(own)] == [layers.Dense, layers.Dropout, layers.Dense]
    assert len(own.trainable_weights) == 2
    images = np.ones((5, 4), "float32")
    np.testing.assert_array_equal(own(images), model(images))


def rows(text, first):
    """The cells of each row of the page's tables that begins with this cell."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return [line for line in lines if line[:1] == [first]]


def test_the_page_comes_from_the_numbers_alone(results):
    text = page.markdown(results)
    assert re.findall(r"^## (\d)", text, re.M) == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    to_keras, to_pytorch, to_pytorch_at_once = "2.00", "3.20", "2.50"
    assert rows(text, "model_4")[0][-3:] == [to_keras, to_pytorch, to_pytorch_at_once]
    assert rows(text, "PyTorch's eight scripts one after another, all threads")[0][1:3] == ["90 s", "1.50"]
    # 5 MFLOP an image at 50 GFLOP/s: 0.1 ms; 4,000 images a second on two cores: 0.5 ms.
    floor_of_model_1 = ["100", "2.00", "5.00", "10.00 ms", "50.00 ms", "20%"]
    assert ["model_1", *floor_of_model_1] in rows(text, "model_1")
    said = " ".join(text.split())
    assert (
        "with nothing to do it takes 6.0 s, after a touch of a params file, where nothing trains, 12.0 s"
        in said
    )
    assert rows(text, "slow") == [["slow", "0.60"]]
    # The profile of middle length, whose parts add up; 10 of 40 GFLOP/s.
    assert rows(text, "dropout") == [["dropout", "55.0 (50%)"]]
    assert rows(text, "**a step**") == [["**a step**", "110.0 (100%)"]]
    assert ["convolution, forward", "10 (25%)"] in rows(text, "convolution, forward")
    assert "an epoch takes 1.25 times as long" in said
    assert ["model_1", "40.0 s", "20.0 s", "2.00", "1.90 to 2.10"] in rows(text, "model_1")
    assert "--quick" not in text
    assert "nan" not in text


def test_the_landed_page_is_that_of_the_landed_numbers():
    results = json.loads((runs.ROOT / "reports" / "bench.json").read_text(encoding="utf-8"))
    assert (runs.ROOT / "reports" / "bench.md").read_text(encoding="utf-8") == page.markdown(results)


def test_on_a_gpu_the_project_is_compared_with_the_better_of_pytorch_s_ways(results):
    text = page.markdown(results)
    (row,) = (row for row in rows(text, "model_4") if row[1] == "80,000")
    assert row[-3:] == ["2.00", "2.50", "1.25"]  # to Keras, to the better format, to the better compiled way
    said = " ".join(text.split())
    assert "20 times as fast" in said  # section 1: 4,000 images a second
    assert "Repetitions of one figure differ by up to 100%." in said
    assert "One a card beside a processor, 2 cores" in said


def test_the_paper_s_suite_is_laid_on_the_cores_classifiers_after_their_autoencoders(results):
    totals, each = page.paper_suite(results["sections"]["3"], cores=2)
    assert each == {"model_1": 70, "model_4": 220, "model_5": 120, "model_8": 20}
    assert totals["keras"] == totals["pytorch"] == 70 + 220 + 120 + 20
    assert totals["project"] == 220 + 20 + 10  # model_8 waits for model_4; then what is around the runs
    # Scripts on a fifth of the images count five epochs for one. Two epochs are in their 20 s; of model_8's,
    # which landed with 2 epochs, 10 are needed.
    totals, each = page.paper_suite(results["sections"]["3"] | {"scripts_part": 5}, cores=2)
    assert each["model_1"] == 70
    assert totals["keras"] == 4 * 20 + 5 * sum(5 * epochs - 2 for epochs in EPOCHS.values())


def test_targets_are_judged_by_the_numbers(results):
    shown = {target: value for target, value, _ in page.targets(results["sections"])}
    judged = {target: met for target, _, met in page.targets(results["sections"])}
    models = ", ".join(EPOCHS)
    assert judged[f"{models}: at least 2.0 times as fast in `fit` as PyTorch with a process a core"]
    assert not judged["sample: at least 1.7 times as fast as PyTorch's scripts one after another"]
    assert judged["paper, estimated: all eight models in less than 35 min on 2 cores"]
    one_thread = "model_1, model_5: plain Keras' `fit` on one thread takes at least 1.8 times as long"
    assert not judged[one_thread]
    assert shown[one_thread] == "1.20 (model_5)"
    assert not judged["model_1: a step reaches at least 30% of the rate of a matrix product"]
    assert judged["a second call takes less than 10 s: nothing to do"]
    assert not judged["a second call takes less than 10 s: one params file touched"]
    assert not judged["less than 10% of any paper run is not `fit`"]  # model_8: 10 s of 20 s
    results["sections"]["2"]["runs"]["pytorch"] = [{"seconds": 120.0}]
    judged = {target: met for target, _, met in page.targets(results["sections"])}
    assert judged["sample: at least 1.7 times as fast as PyTorch's scripts one after another"]


def test_growth_names_where_it_leaves_its_line():
    straight = {x: [3.0 * x + 1] for x in (1, 2, 4, 8)}
    slope, intercept, stops = page.line(straight)
    assert (slope, intercept) == (pytest.approx(3), pytest.approx(1))
    assert stops is None
    assert page.line(straight | {8: [60.0]})[2] is not None


def test_epoch_lines_of_the_engine_and_of_a_script_are_told_apart_by_model():
    engine = [(1, "sample model_1 seed 0  starts"), (2, "sample model_1 seed 0  epoch 1/2  loss 0.1")]
    engine += [
        (3, "sample model_2 seed 0  epoch 1/2  loss 0.1"),
        (5, "sample model_1 seed 0  epoch 2/2  loss"),
    ]
    assert watch.epoch_seconds(engine) == {"model_1": 3}
    script = [(0, "model_5 parameters 56714"), (4, "epoch 1/3  val_loss 1"), (6, "epoch 2/3  val_loss 1")]
    assert watch.epoch_seconds([*script, (8, "epoch 3/3  val_loss 1")]) == {"model_5": 2}
    assert watch.epochs([(1, "epochs"), (2, "model_1 parameters 1")]) == {}


def test_a_run_s_parts_add_up_to_its_wall_time(tmp_path):
    def cell(source, start, duration):
        times = {"start_time": f"2026-01-01T00:00:{start:02}+00:00", "duration": duration}
        return {"cell_type": "code", "source": source, "metadata": {"papermill": times}}

    def heading(text):
        return {"cell_type": "markdown", "source": f"## {text}\n\nWhat it says.", "metadata": {}}

    cells = [
        heading("Setup"),
        cell("import fmnist_keras as fk", 3, 4.0),
        heading("Data"),
        cell("load", 8, 1.0),
    ]
    cells += [heading("Training"), cell("compile", 9, 1.0), cell("fit", 10, 20.0)]
    times = {"start_time": "2026-01-01T00:00:01+00:00", "end_time": "2026-01-01T00:00:32+00:00"}
    notebook = {"metadata": {"papermill": times}, "cells": cells}
    (tmp_path / "notebook.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (tmp_path / "metrics.json").write_text(json.dumps({"seconds": {"fit": 19.0}}), encoding="utf-8")
    (tmp_path / "notebook.html").touch()
    began = watch._time("2026-01-01T00:00:00+00:00")
    page_written = (tmp_path / "notebook.html").stat().st_mtime
    parts = watch.parts(tmp_path, watch.Job(began, page_written + 1))
    assert (parts["kernel start"], parts["fit"], parts["papermill, between cells"]) == (2, 19, 3)
    of_sections = {name: parts[f"notebook: {name}"] for name in ("Setup", "Data", "Training")}
    assert of_sections == {"Setup": 4, "Data": 1, "Training": 2}  # what of Training was not `fit`
    assert sum(parts.values()) == pytest.approx(page_written + 1 - began, abs=0.01)
