"""The sentences of a suite's page, and which runs it shows."""

import hashlib
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmnist_keras import runs
from fmnist_keras.report import claims, paper, readme, suite
from fmnist_keras.report.display import as_text

CONFUSION = (100 * np.eye(10, dtype=int)).tolist()
DEAD = [[100, *[0] * 9] if row == 5 else counts for row, counts in enumerate(CONFUSION)]


def metrics(model="model_5", seed=0, loss=0.3, suite="paper", **values):
    """Return what a classifier's run leaves; also of a name that the paper does not know."""
    given = {"data": "full", "protocol": "paper", "limit": None, "train_encoder": True, "epochs": 40}
    given |= paper.HYPERPARAMETERS.get(model, paper.HYPERPARAMETERS["model_5"])
    found = {"schema_version": 2, "model": model, "kind": "classifier", "seed": seed, "suite": suite}
    found |= {
        "params": given | {"model": model, "seed": seed},
        "confusion": CONFUSION,
        "backend": "tensorflow",
    }
    found |= {part: {"loss": loss, "accuracy": 0.9} for part in ("train", "val")}
    found |= {"epochs_run": 20, "best_epoch": 15, "stopped_early": True, "device": "CPU", "versions": {}}
    found |= {"parameters": {"total": 56714, "trainable": 56714}, "images": {"train": 60000, "val": 10000}}
    found |= {"seconds": {"fit": 10.0, "total": 12.0}, "data_sha256": {}, "encoder_sha256": "AE"}
    return found | {"started_from_sha256": "AE"} | values


@pytest.fixture
def save(reports):
    """Write runs into the test's reports, and return their suite's table."""

    def write(*found):
        for run in found:
            folder = reports / run["suite"] / run["model"] / f"seed_{run['seed']}"
            folder.mkdir(parents=True)
            rows = [f"{epoch},0.5,0.4,0.8,0.8" for epoch in range(1, run["epochs_run"] + 1)]
            history = "\n".join(["epoch,loss,val_loss,accuracy,val_accuracy", *rows, ""]).encode()
            (folder / "history.csv").write_bytes(history)
            run |= {"history_sha256": hashlib.sha256(history).hexdigest()}
            (folder / "metrics.json").write_text(json.dumps(run), encoding="utf-8")
        return runs.table(found[0]["suite"])

    return write


def seeds(model, losses, **values):
    return [metrics(model, seed, loss, **values) for seed, loss in enumerate(losses)]


def cell(rows, number="val loss", model="model_5"):
    """Return a number of Table III: a row of `readme.cells` for each set of runs."""
    return readme.cells(rows).set_index(["model", "number"]).loc[[(model, number)]]


def test_a_number_in_the_interval_is_reproduced(save):
    rows = save(*seeds("model_5", (0.27, 0.28, 0.29, 0.30)))
    (found,) = cell(rows).itertuples()
    low, high = stats.ttest_1samp([0.27, 0.28, 0.29, 0.30], 0).confidence_interval()
    half = (high - low) / 2 * np.sqrt(5)  # of one more run rather than the mean
    assert (found.low, found.high) == pytest.approx((0.285 - half, 0.285 + half))
    cells = readme.cells(rows)
    assert cells["reproduced"].tolist() == ["no", "yes", "no", "yes"]  # 0.236 is outside; 90.0 % is all
    assert suite.agreement(cells).startswith("2 of Table III's 4 numbers are reproduced: one more run")
    assert suite.headline("sample", claims.judge({}), cells).count("as an exercise") == 1


def test_one_run_reproduces_nothing(save):
    cells = readme.cells(save(metrics()))
    assert cells["reproduced"].isna().all()
    assert suite.agreement(cells) == ""
    assert "no second run" in suite.headline("paper", claims.judge({}), cells)
    assert suite.headline("paper", claims.judge({}, []), cells) == ""


def test_dead_classes_count_and_are_said(save):
    """Numbers are with every run; those without a run that never recognises a class are beside them."""
    *alive, last = seeds("model_5", (0.28, 0.29, 0.29, 0.9))
    rows = save(*alive, last | {"confusion": DEAD}, *seeds("model_6", (0.3,), confusion=DEAD))
    every, living = cell(rows).itertuples()
    assert (every.runs, every.size, every.mean) == ("all", 4, pytest.approx(0.44))
    assert (living.runs, living.size, living.mean) == ("without dead classes", 3, pytest.approx(0.86 / 3))
    assert len(cell(rows, model="model_6")) == 1, "there are no others"
    assert "3 of Table III's 4 numbers are reproduced (2 of 4" in suite.agreement(readme.cells(rows))
    said = suite.dead_runs(rows)
    assert "1 of 4 runs of model_5; 1 of 1 runs of model_6 never recognise" in said
    assert "**model_5**: Sandal, in 1 of 4 runs" in suite.dead_classes(rows)
    assert "recognises images of every class" in suite.dead_classes(rows[rows["dead"] == 0])
    assert suite.dead_runs(rows[rows["dead"] == 0]) == suite.dead_classes(rows.iloc[:0]) == ""


def test_dead_classes_by_initial_weights(save):
    rows = save(*seeds("model_5", (0.27, 0.28)), *seeds("model_6", (0.27, 0.28)))
    assert suite.dead_by_weights(rows) == ""
    made = seeds("model_5", (0.27, 0.28), suite="reading", confusion=DEAD)
    for run in made:
        run["params"]["initializer"] = "pytorch"
    said = suite.dead_by_weights(pd.concat([rows, save(made[0], made[1] | {"confusion": CONFUSION})]))
    assert "model_5, 0 of 2 with Keras' initial weights (suite `paper`) and 1 of 2 with PyTorch's" in said
    assert "p = 1.00" in said
    assert "model_6" not in said


def test_runs_are_judged_by_the_others(save):
    losses = 0.27, 0.28, 0.29, 0.30, 0.28, 0.29
    rows = save(*seeds("model_5", losses), metrics(seed=6, loss=0.9, confusion=DEAD))
    assert "100.0 % of 24 losses and accuracies" in suite.coverage(rows[rows["dead"] == 0])
    said = suite.coverage(rows)
    assert "92.9 % of 28 losses and accuracies" in said  # two losses are outside
    assert "of the 24 without dead classes it is 100.0 %" in said
    assert suite.coverage(rows.iloc[:3]) == ""


def on(backend, device, losses, model="model_5"):
    return pd.DataFrame({"model": model, "backend": backend, "device": device, "val.loss": losses})


def both(ours, others, models=1):
    """Return runs of some models on a CPU and on a GPU."""
    parts = [
        frame
        for number in range(models)
        for frame in (on("tensorflow", "CPU: <b>", ours, number), on("jax", "<b>", others, number))
    ]
    return pd.concat(parts, ignore_index=True).astype({"model": str})


def test_machines_that_differ_are_told_apart():
    said = suite.machines(both((0.30, 0.32), (0.29, 0.31, 0.33)))
    assert "of 0 differ" in said
    assert "tensorflow on a CPU" in said
    assert "<b>" not in said
    assert "of 1 differ" in suite.machines(both((0.40, 0.41), (0.29, 0.30, 0.31)))
    assert suite.machines(on("jax", "GPU", (0.3, 0.4))) == ""
    assert suite.machines(both((0.3, 0.3), (0.3, 0.3))) == "", "runs that are all the same have no p-value"
    assert suite.machines(both((0.4,), (0.3,))) == "", "of so few nothing can be said"


@pytest.mark.parametrize(("others", "differ"), [((0.315, 0.325, 0.33), 0), ((0.32, 0.325, 0.335), 4)])
def test_machines_differ_at_5_percent(others, differ):
    """Student's t gives p = 0.073 for each of four models, then p = 0.048."""
    said = suite.machines(both((0.30, 0.31), others, models=4))
    assert f"of {differ} differ at the 5 % level (0.2 expected by chance" in said


def test_machines_say_their_power():
    """The difference that Student's t finds in four of five cases, by the noncentral t distribution."""
    losses = (0.30, 0.31), (0.32, 0.325, 0.335)
    noticed = float(re.search(r"a difference of ([\d.]+) % in the median", suite.machines(both(*losses)))[1])
    squares = sum(np.square(np.log(one) - np.log(one).mean()).sum() for one in losses)
    error = np.sqrt(squares / 3 * (1 / 2 + 1 / 3))
    power = stats.nct.sf(stats.t.ppf(0.975, 3), 3, np.log1p(noticed / 100) / error)
    assert power == pytest.approx(0.8, abs=0.03)


def test_the_opening_names_what_is_missing(save, reports):
    rows = save(metrics())
    (reports / "paper" / "model_6").mkdir()
    (reports / "paper" / "model_6" / "seed_0.failed.ipynb").touch()
    said = suite.introduction("paper", rows)
    assert "1 runs of 1 models, seeds: 1; 60,000 training and 10,000 validation images" in said
    assert "**Failed:** model_6, seed_0; [its notebook](model_6/seed_0.failed.ipynb)" in said
    assert "**Still to run:** model_1, model_2, model_3, model_4, model_6, model_7, model_8, without" in said
    assert "; 2 of 3 seeds of model_5; " in said
    assert "the suite `holdout` of model_5, model_6" in said


def test_a_suite_of_ones_own_lacks_nothing(save):
    assert "Still to run" not in suite.introduction("sweep", save(metrics(suite="sweep")))


def test_names_from_files_are_escaped(save, reports):
    """HTML and Markdown in a folder's name, and in a value that a damaged file has."""
    rows = save(metrics(), metrics("model_6") | {"seed": "[x](javascript:alert(1)) <script>"})
    odd = reports / "paper" / "[x](javascript:alert(1)) <script>"
    odd.mkdir()
    (odd / "seed_0.failed.ipynb").touch()
    said = suite.introduction("paper", rows)
    assert "**Failed:** &#91;x&#93;&#40;javascript:alert&#40;1&#41;&#41; &lt;script&gt;, seed_0" in said
    assert "**Left out:** model_6" in said
    assert "](javascript" not in said
    assert "<script" not in said


@pytest.mark.parametrize("copy", ["model_5/seed_0_backup", "model_5 (copy)/seed_0", "model_5/seed_00"])
def test_a_copy_is_left_out(save, reports, copy):
    """It is named, without a promise of make and without a path of this machine."""
    save(metrics())
    shutil.copytree(reports / "paper" / "model_5" / "seed_0", reports / "paper" / copy)
    reason = as_text("metrics.json is that of another run, which belongs in paper/model_5/seed_0")
    said = suite.introduction("paper", runs.table("paper"))
    assert f"> **Left out:** {as_text(copy.replace('/', ', '))}: {reason}." in said


def test_damage_names_the_command(save, reports):
    save(metrics(), metrics(seed=12))
    (reports / "paper" / "model_5" / "seed_12" / "metrics.json").write_text("{")
    said = suite.introduction("paper", runs.table("paper"))
    assert ". `make report SUITE=paper MODELS=model_5 SEEDS=12` makes it again." in said
    assert str(reports) not in said
    assert [name for name, _ in suite.left_out("paper")] == ["model_5, seed_12"]


def test_learning_nothing_is_named(landed):
    """Model 3 is no better than one grey in any of its runs, and claims are about it."""
    rows = runs.table("paper")
    rows = rows[suite.on_page(rows)]
    said = suite.learned_nothing(suite.baselines("paper", rows[rows["kind"] == "autoencoder"]), rows)
    assert said.startswith("> **Learned nothing of the images:** **model_3**, 10 of 10 runs, ")
    (numbers,) = re.findall(r"\(compared in (.*?)\)", said)
    assert {row["claim"] for row in claims.load() if "Model 3" in row["statement"]} <= {*numbers.split(", ")}
    assert said.endswith("The same guess for every image: constant grey 0.1242, mean image 0.0866.")
    assert suite.learned_nothing({}, rows.iloc[:0]) == ""


@pytest.mark.parametrize("content", [None, '{"64": 0.', "[1]", '{"64": "<script>"}', '{"64": 0.02}'])
def test_damaged_baselines_are_computed_again(save, reports, monkeypatch, content):
    rows = save(metrics(suite="sample"))
    path = reports / "sample" / "baselines.json"
    if content is not None:
        path.write_text(content)
    computed = {"constant grey": 0.12, "mean image": 0.09, "64": 0.02}
    rows_of_images = SimpleNamespace(x_train=None, x_val=None)
    monkeypatch.setattr("fmnist_keras.data.load", lambda *arguments: rows_of_images)
    monkeypatch.setattr("fmnist_keras.evaluation.baseline_errors", lambda *arguments: computed)
    assert suite.baselines("sample", rows) == computed
    assert json.loads(path.read_text()) == computed
    assert suite.baselines("sample", rows.iloc[:0]) == {}


def test_points_that_no_claim_names_are_elsewhere(save):
    """By the runs' own records, whatever studies there are today; not so in a suite of one's own."""
    names = "model_5", "model_6-encoder_from_null", "model_5-epochs_7", "mine"
    made = [metrics(name) for name in names]
    made[1]["params"] |= {"encoder_from": None}
    made[2]["params"] |= {"epochs": 7}
    rows = save(*made)
    assert rows.loc[suite.on_page(rows), "model"].tolist() == ["mine", "model_5", "model_6-encoder_from_null"]
    assert suite.on_page(save(*[run | {"suite": "sweep"} for run in made])).all()
    assert suite.on_page(rows.iloc[:0]).empty
