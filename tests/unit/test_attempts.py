"""What is tried by hand, in `scratch`: each attempt in a place of its own, and encoders found by name."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import OF_KIND, build, fitted, small_model

from fmnist_keras import data, models, params, report, runs
from fmnist_keras.params import ParamsError
from fmnist_keras.training import TrainingDiverged
from fmnist_keras.workflow import execute


@pytest.fixture
def attempt(tiny, reports, sample):
    """Write an autoencoder's run, by default in `scratch`, and return its folder.

    Its encoder is a small one that no classifier can take, except `whole`.
    """

    def write(model="tiny_autoencoder", suite="scratch", whole=False, **changes):
        given = {"latent_dim": 8, "suite": suite, "base": None} | changes
        values = replace(tiny("model_1", **given), model=model)
        errors = {"image_errors": np.full(len(sample.x_val), 0.1)}
        results = OF_KIND["autoencoder"] | {"train": {"loss": 0.1}, "val": {"loss": 0.1}} | errors
        history = fitted(loss=[0.3, 0.2], val_loss=[0.4, 0.1])
        run = runs.start(values)
        made = build(values) if whole else small_model(values.latent_dim)
        return run.write(made, history, sample, **results)

    return write


def classifier(tiny, **changes):
    given = {"latent_dim": 8, "encoder_from": "latest", "suite": "scratch"} | changes
    return replace(tiny("model_5"), **given | {"base": None})


def test_name_says_what_differs(attempt, reports):
    """From the notebook's own parameters, not from an earlier attempt: the same on any machine."""
    made = [attempt(latent_dim=4), attempt(dropout=0.3, epochs=2), attempt(seed=1), attempt(latent_dim=4)]
    names = [f"{folder.parent.name}/{folder.name}" for folder in made]
    assert names == [
        "tiny_autoencoder-epochs_1-latent_dim_4/seed_0",
        "tiny_autoencoder-dropout_0.3-latent_dim_8/seed_0",
        "tiny_autoencoder-epochs_1-latent_dim_8/seed_1",
        "tiny_autoencoder-epochs_1-latent_dim_4/seed_0",
    ]
    metrics = runs.check(made[0])
    assert metrics["base"] == "tiny_autoencoder"
    assert metrics["changes"] == {"latent_dim": 4, "epochs": 1}
    assert {run["model"] for run in runs.read_all("scratch")[0]} == {path.parent.name for path in made}


def test_model_of_a_file_is_named_by_it(attempt):
    assert attempt("model_1", latent_dim=64).parent.name == "model_1-data_sample-epochs_1"


def test_long_name_is_valid(attempt, tiny):
    many = {"latent_dim": 4, "dropout": 0.123, "epochs": 77, "patience": 9, "min_delta": 0.0123}
    mine = replace(tiny("model_1", suite="scratch", base=None, **many), model="tiny_autoencoder")
    values = [runs.start(given).params for given in (mine, replace(mine, batch_size=7))]
    assert values[0].model != values[1].model
    for value in values:
        params.validate(value.as_dict(), "autoencoder")
        assert len(value.model) <= params.LONGEST


def finished(folder, day):
    """Say of a run that it was finished on a day of January 2030, and return its name."""
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(metrics | {"finished": f"2030-01-{day:02}T00:00:00+00:00"}), encoding="utf-8")
    return folder.parent.name


def test_latest_is_the_last_that_fits(attempt, tiny):
    assert runs.start(classifier(tiny)).params.encoder_from is None, "nothing has been trained"
    tried = {}, {"epochs": 2}, {"latent_dim": 4}, {"suite": "sweep"}, {"seed": 1}
    names = [finished(attempt(**changes, whole="epochs" in changes), d) for d, changes in enumerate(tried, 1)]
    assert runs.start(classifier(tiny, latent_dim=4)).params.encoder_from == names[2]
    run = runs.start(classifier(tiny))
    assert run.params.encoder_from == names[1]
    run.load_encoder()
    assert run.started_from == runs.read(runs.run_dir("scratch", names[1], 0))["encoder_sha256"]


def test_training_leaves_the_recorded_start(attempt, tiny, sample):
    """`started_from_sha256` is of the encoder as it was loaded, `encoder_sha256` as it was trained."""
    start = runs.read(attempt(whole=True))["encoder_sha256"]
    run = runs.start(classifier(tiny))
    model = models.classifier(run.load_encoder())
    model.layers[0].set_weights([weight + 1 for weight in model.layers[0].get_weights()])
    history = fitted(loss=[0.3], val_loss=[0.4], accuracy=[0.8], val_accuracy=[0.8], best_epoch=1)
    results = {part: {"loss": 0.3, "accuracy": 0.8} for part in ("train", "val")}
    results |= {"confusion": np.eye(10, dtype=int), "predictions": sample.y_val}
    metrics = runs.check(run.write(model, history, sample, **results))
    assert metrics["started_from_sha256"] == start
    assert metrics["encoder_sha256"] != start


def test_an_encoder_of_any_suite_is_found_by_its_name(attempt, tiny):
    folder = attempt("mine", suite="sweep", whole=True, epochs=2)
    found = runs.load_encoder(classifier(tiny, encoder_from="sweep/mine-latent_dim_8"))
    assert runs.weights_sha256(found) == runs.read(folder)["encoder_sha256"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"encoder_from": "mine"},
            r"missing; with latent_dim 8 and seed 0 there are: sweep/mine-latent_dim_8; or in a min",
        ),
        (
            {"encoder_from": "model_1"},
            r"there are: sweep/mine-latent_dim_8; or in minutes: `make report MODELS=model_1`, th",
        ),
        (
            {"encoder_from": "model_1", "seed": 2},
            r"none with latent_dim 8 and seed 2 .*MODELS=model_1 SEEDS=2`",
        ),
        (
            {"encoder_from": "sweep/mine-latent_dim_8", "latent_dim": 4},
            r"latent_dim: 4 is not allowed; allowed: 8, the lat",
        ),
    ],
)
def test_an_encoder_that_there_is_not_is_an_error_that_names_what_would_do(attempt, tiny, changes, words):
    attempt("mine", suite="sweep", epochs=2)
    with pytest.raises(runs.RunError, match=words) as error:
        runs.load_encoder(classifier(tiny, **changes))
    assert "\n" not in str(error.value)


def test_a_run_that_cannot_be_written_leaves_nothing(attempt, reports, monkeypatch):
    def die(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(runs.folder.json, "dumps", die)
    with pytest.raises(OSError, match="No space"):
        attempt()
    assert list(reports.iterdir()) == []


@pytest.mark.parametrize("kind", [ParamsError, runs.RunError, data.DataError, TrainingDiverged])
def test_an_error_of_ours_is_one_line_in_a_notebook(kind):
    from IPython.core.interactiveshell import InteractiveShell

    shell, shown = InteractiveShell(), []
    shell._showtraceback = lambda etype, evalue, lines: shown.extend(lines)
    shell.user_ns["kind"] = kind
    shell.run_cell("raise kind('dropout: 3 is not allowed')")
    assert shown == [f"{kind.__name__}: dropout: 3 is not allowed"]


def test_all_attempts_are_compared_in_one_cell(attempt, monkeypatch, reports):
    """Best first, in words, with links to their pages; the numbers are in a file too."""
    import IPython.display
    from IPython.core.formatters import DisplayFormatter

    folders = [attempt(**changes) for changes in ({}, {"latent_dim": 4}, {"latent_dim": 4, "dropout": 0.3})]
    (folders[1] / "notebook.html").touch()
    table = report.attempts.table("scratch", "autoencoder")
    words = ["latent_dim 8, epochs 1", "latent_dim 4, epochs 1", "latent_dim 4, dropout 0.3, epochs 1"]
    assert {*table["changed"]} == {*words}
    shown = []
    monkeypatch.chdir(reports)
    monkeypatch.setattr(IPython.display, "display", lambda *given: shown.extend(given))
    report.compare("scratch")
    page = "".join(DisplayFormatter().format(given)[0].get("text/html", "") for given in shown)
    assert page.count("<tr>") == 1 + 3, "a heading, and a row an attempt"
    assert page.count("<img") == 1
    assert all(f"{folder.parent.name}, seed 0" in page for folder in folders)
    assert re.findall('href="(.*?)"', page) == [f"scratch/{folders[1].parent.name}/seed_0/notebook.html"]
    assert all(f">{loss:.4f}</td>" in page for loss in table["validation loss"])
    rows = pd.read_csv(reports / "scratch" / "table.csv")
    assert rows["val.loss"].tolist() == sorted(table["validation loss"])
    assert {*rows["params.latent_dim"]} == {4, 8}
    with pytest.raises(runs.RunError, match="suite sweep has no runs; suites with runs: scratch"):
        report.compare("sweep")


def test_hand_filled_suite_has_a_table(attempt, reports, monkeypatch):
    """Its report links the file; a suite that a file plans has none."""
    monkeypatch.setattr(execute, "_make_page", lambda *given: None)
    for suite in ("mine", "sample"):
        attempt(suite=suite)
        execute.make_report(suite)
    assert [path.parent.name for path in reports.rglob("table.csv")] == ["mine"]
