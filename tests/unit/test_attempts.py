"""What is tried by hand, in `scratch`: each attempt in a place of its own, and encoders found by name."""

import os
from dataclasses import replace

import numpy as np
import pytest
from conftest import OF_KIND, fitted, small_model

from fmnist_keras import data, models, params, report, runs
from fmnist_keras.params import ParamsError
from fmnist_keras.training import TrainingDiverged


@pytest.fixture
def attempt(tiny, reports, sample):
    """Writes a small autoencoder's run, in `scratch` unless said otherwise: its folder."""

    def write(model="tiny_autoencoder", suite="scratch", **changes):
        values = replace(tiny("model_1", **{"latent_dim": 8, "suite": suite} | changes), model=model)
        errors = {"image_errors": np.full(len(sample.x_val), 0.1)}
        results = OF_KIND["autoencoder"] | {"train": {"loss": 0.1}, "val": {"loss": 0.1}} | errors
        history = fitted(loss=[0.3, 0.2], val_loss=[0.4, 0.1])
        run = runs.start(values)
        return run.finish(small_model(run.params.latent_dim), history, sample, **results)

    return write


def classifier(tiny, **changes):
    given = {"latent_dim": 8, "encoder_from": "latest", "suite": "scratch"} | changes
    return replace(tiny("model_5"), **given)


def test_attempts_with_other_parameters_have_places_of_their_own(attempt, reports):
    first = attempt()
    made = [attempt(latent_dim=4), attempt(dropout=0.3, epochs=2), attempt(seed=1), attempt(latent_dim=4)]
    names = [f"{folder.parent.name}/{folder.name}" for folder in made]
    assert names == [
        "tiny_autoencoder-latent_dim_4/seed_0",
        "tiny_autoencoder-dropout_0_3-epochs_2/seed_0",
        "tiny_autoencoder/seed_1",
        "tiny_autoencoder-latent_dim_4/seed_0",
    ]
    assert runs.read(first)["params"]["latent_dim"] == 8, "the first attempt stands"
    assert {run["model"] for run in runs.read_suite("scratch")} == {path.parent.name for path in made}


def test_the_same_parameters_take_the_same_place(attempt, reports):
    assert attempt() == attempt()
    assert len(list((reports / "scratch").iterdir())) == 1


def test_a_long_list_of_changes_is_still_a_model_s_name(attempt, tiny):
    attempt()
    many = {"latent_dim": 4, "dropout": 0.123, "epochs": 77, "patience": 9, "min_delta": 0.0123}
    mine = replace(tiny("model_1", suite="scratch", **many), model="tiny_autoencoder")
    values = [runs.start(given).params for given in (mine, replace(mine, batch_size=7))]
    assert values[0].model != values[1].model
    for value in values:
        params.validate(value.as_dict(), "autoencoder", "an attempt")
        assert len(value.model) <= 64


def test_a_suite_of_one_s_own_keeps_the_names_that_it_is_given(attempt):
    attempt(suite="sweep")
    assert attempt(suite="sweep", latent_dim=4).parent.name == "tiny_autoencoder"


def test_the_latest_autoencoder_that_fits_is_the_default(attempt, tiny):
    assert runs.start(classifier(tiny)).params.encoder_from is None, "nothing has been trained"
    tried = {}, {"epochs": 2}, {"latent_dim": 4}, {"suite": "sweep"}, {"seed": 1}
    for when, changes in enumerate(tried):
        os.utime(attempt(**changes) / "metrics.json", (when, when))
    assert runs.start(classifier(tiny, latent_dim=4)).params.encoder_from == "tiny_autoencoder-latent_dim_4"
    run = runs.start(classifier(tiny))
    assert run.params.encoder_from == "tiny_autoencoder-epochs_2"
    run.load_encoder()
    assert (
        run.started_from
        == runs.read(runs.run_dir("scratch", "tiny_autoencoder-epochs_2", 0))["encoder_sha256"]
    )


def test_training_leaves_the_recorded_start(attempt, tiny, sample):
    """`started_from_sha256` is of the encoder as it was loaded, `encoder_sha256` as it was trained."""
    start = runs.read(attempt())["encoder_sha256"]
    run = runs.start(classifier(tiny))
    model = models.classifier(run.load_encoder())
    model.layers[0].set_weights([weight + 1 for weight in model.layers[0].get_weights()])
    history = fitted(loss=[0.3], val_loss=[0.4], accuracy=[0.8], val_accuracy=[0.8], best_epoch=1)
    results = {part: {"loss": 0.3, "accuracy": 0.8} for part in ("train", "val")}
    results |= {"confusion": np.eye(10, dtype=int), "predictions": sample.y_val}
    metrics = runs.check(run.finish(model, history, sample, **results))
    assert metrics["started_from_sha256"] == start
    assert metrics["encoder_sha256"] != start


def test_an_encoder_of_any_suite_is_found_by_its_name(attempt, tiny):
    folder = attempt("mine", suite="sweep")
    found = runs.load_encoder(classifier(tiny, encoder_from="sweep/mine"))
    assert runs.weights_sha256(found) == runs.read(folder)["encoder_sha256"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"encoder_from": "mine"},
            r"missing; with latent_dim 8 and seed 0 there are: sweep/mine; or in a min",
        ),
        (
            {"encoder_from": "model_1"},
            r"there are: sweep/mine; or in minutes: `make report MODELS=model_1`, th",
        ),
        (
            {"encoder_from": "model_1", "seed": 2},
            r"none with latent_dim 8 and seed 2 .*MODELS=model_1 SEEDS=2`",
        ),
        (
            {"encoder_from": "sweep/mine", "latent_dim": 4},
            r"latent_dim: 4 is not allowed; allowed: 8, the lat",
        ),
    ],
)
def test_an_encoder_that_there_is_not_is_an_error_that_names_what_would_do(attempt, tiny, changes, words):
    attempt("mine", suite="sweep")
    with pytest.raises(runs.RunError, match=words) as error:
        runs.load_encoder(classifier(tiny, **changes))
    assert "\n" not in str(error.value)


def test_a_run_that_cannot_be_written_leaves_nothing(attempt, reports, monkeypatch):
    def die(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(runs.folder.json, "dumps", die)
    with pytest.raises(OSError, match="No space"):
        attempt()
    assert list((reports / "scratch" / "tiny_autoencoder").iterdir()) == []


@pytest.mark.parametrize("kind", [ParamsError, runs.RunError, data.DataError, TrainingDiverged])
def test_an_error_of_ours_is_one_line_in_a_notebook(kind):
    from IPython.core.interactiveshell import InteractiveShell

    shell, shown = InteractiveShell(), []
    shell._showtraceback = lambda etype, evalue, lines: shown.extend(lines)
    shell.user_ns["kind"] = kind
    shell.run_cell("raise kind('dropout: 3 is not allowed')")
    assert shown == [f"{kind.__name__}: dropout: 3 is not allowed"]


def test_all_attempts_are_compared_in_one_cell(attempt, monkeypatch):
    import IPython.display

    for changes in ({}, {"latent_dim": 4}, {"latent_dim": 4, "dropout": 0.3}):
        attempt(**changes)
    table = report.attempts.table("scratch", "autoencoder")
    assert list(table)[:4] == ["model", "seed", "latent_dim", "dropout"]
    assert "epochs" not in table, "they all have the same"
    assert sorted(table["latent_dim"]) == [4, 4, 8]
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *given: shown.extend(given))
    report.compare("scratch")
    page = "".join(given.data for given in shown)
    assert page.count("<tr>") == 1 + 3, "a heading, and a row an attempt"
    assert page.count("<img") == 1
    assert all(name in page for name in table["model"])
    assert all(f">{loss:.4f}</td>" in page for loss in table["validation loss"])
    with pytest.raises(runs.RunError, match="suite sweep has no runs; suites with runs: scratch"):
        report.compare("sweep")
