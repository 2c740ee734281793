"""The sentences of a suite's page, and which runs it shows."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmnist_keras import data, runs
from fmnist_keras.report import claims, paper, suite
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
    found |= {"seconds": {"fit": 10.0, "total": 12.0}, "data_sha256": data.SHA256["full"]}
    return found | dict.fromkeys(("encoder_sha256", "started_from_sha256"), "AE") | values


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


NONE = {"estimate": np.nan}


def found_of(name, verdicts, cells, errors=(), own=(), dropout=NONE):
    errors = pd.DataFrame(errors, columns=["model", "error", "ratio"])
    own = pd.DataFrame(own, columns=["model", "error", "ratio", "components"])
    return suite.findings(name, verdicts, cells, errors, {"constant grey": 0.12}, dropout, own)


def cells(*reproduced, model="model_5", of="all"):
    """Return rows of Table III, as the report has them."""
    numbers = [*paper.RESULTS[model]][: len(reproduced)]
    ends = {"paper": 0.5, "low": 0.48, "high": [0.52, 0.54, 0.52, 0.54][: len(reproduced)], "margin": 0.03}
    return pd.DataFrame({"model": model, "number": numbers, "runs": of, "reproduced": reproduced} | ends)


def test_agreement_counts_numbers_that_are_judged():
    """Of one run none is; those without dead classes are beside them."""
    assert suite.agreement(cells(None)) == ""
    said = found_of("sample", claims.judge({}), cells("no", "yes", "no", "yes"))
    assert "- **2 of Table III's 4 numbers are reproduced**: each is" in said
    assert "run of ours, 0 of them in one as narrow as [C16](#C16) asks" in said
    assert "run of ours, 1 of them" in suite.agreement(cells("yes", "yes"))
    assert said.startswith("As an exercise")
    both = pd.concat([cells("no", "yes"), cells("yes", "yes", of="without dead classes")])
    assert "**1 of Table III's 2 numbers are reproduced** (2 of 2 without dead" in suite.agreement(both)
    assert found_of("paper", claims.judge({}, []), cells(None)) == ""


def test_dead_classes_are_said(save):
    rows = save(*seeds("model_5", (0.28, 0.29)), metrics(seed=2, confusion=DEAD))
    names = {"model_5": [*"abcdefghij"]}
    assert "**model_5**: f, in 1 of 3 runs" in suite.dead_classes(rows, names)
    assert "recognises images of every class" in suite.dead_classes(rows[rows["dead"] == 0], names)
    assert suite.dead_classes(rows.iloc[:0], names) == ""


def test_the_opening_names_what_is_missing(save, reports):
    rows = save(metrics())
    (reports / "paper" / "model_6").mkdir()
    (reports / "paper" / "model_6" / "seed_0.failed.ipynb").touch()
    said = suite.state("paper", rows)
    assert "1 run of 1 model, 1 of each; 60,000 training and 10,000 validation images" in said
    assert "**Failed:** model_6, seed_0; [its notebook](model_6/seed_0.failed.ipynb)" in said


def test_findings_have_numbers_and_links():
    """Each sentence is made from its own numbers, or absent."""
    landed = json.loads((runs.ROOT / "reports" / "paper" / "claims.json").read_text(encoding="utf-8"))
    verdicts = pd.DataFrame(landed).astype({"by": str}).reindex(columns=claims.COLUMNS)
    errors = [("model_1", 0.04, 4.0), ("model_3", 0.125, 12.0)]
    dropout = {"estimate": 0.6, "found": "0.6 times (0.5 to 0.7)"}
    said = found_of("paper", verdicts, cells(None), errors, dropout=dropout).split("\n- ")
    assert len(said) == 7
    assert all("](#" in sentence for sentence in said)
    assert (
        "**Every autoencoder loses to principal components:** its error is 4.0 (model_1) to 12.0" in said[1]
    )
    assert said[2].startswith("**model_3 is one grey square:** its error is 0.1250, and one grey")
    assert said[3].startswith("**Dropout alone costs model 4 40 % of its error:**")
    assert "Every" not in found_of("paper", verdicts, cells(None), [("model_1", 0.01, 0.9), *errors])
    assert "Dropout" not in found_of("paper", verdicts, cells(None), errors)
    own = found_of("paper", verdicts, cells(None), errors, [("mine", 0.0038, 0.6, 0.0063)])
    assert "**A better one exists:** mine, a model of our own, has an error of 0.0038; principal" in own
    assert "better one" not in found_of("paper", verdicts, cells(None), errors, [("mine", 0.01, 1.6, 0.0063)])


def test_names_from_files_are_escaped(save, reports):
    """HTML and Markdown in a folder's name, and in a value that a damaged file has."""
    rows = save(metrics(), metrics("model_6") | {"seed": "[x](javascript:alert(1)) <script>"})
    odd = reports / "paper" / "[x](javascript:alert(1)) <script>"
    odd.mkdir()
    (odd / "seed_0.failed.ipynb").touch()
    said = suite.state("paper", rows)
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
    said = suite.state("paper", runs.table("paper"))
    assert f"> **Left out:** {as_text(copy.replace('/', ', '))}: {reason}." in said


def test_damage_names_the_command(save, reports):
    save(metrics(), metrics(seed=12))
    (reports / "paper" / "model_5" / "seed_12" / "metrics.json").write_text("{")
    said = suite.state("paper", runs.table("paper"))
    assert ". `make report SUITE=paper MODELS=model_5 SEEDS=12` makes it again." in said
    assert str(reports) not in said
    assert [name for name, _ in suite.left_out("paper")] == ["model_5, seed_12"]


COMPUTED = {"constant grey": 0.12, "mean image": 0.09, "64": 0.02}
OF = {"data": data.SHA256["full"], "protocol": "paper", "limit": None}


@pytest.fixture
def computed(monkeypatch):
    """Baselines that need no images: how often they were computed."""
    calls = []
    dataset = SimpleNamespace(x_train=None, x_val=None, sha256=data.SHA256["full"])
    monkeypatch.setattr("fmnist_keras.data.load", lambda **asked: dataset)
    compute = "fmnist_keras.evaluation.baseline_errors"
    monkeypatch.setattr(compute, lambda *arguments: calls.append(arguments) or COMPUTED)
    return calls


@pytest.mark.parametrize(
    "content",
    [
        *(None, '{"64": 0.', "[1]", '{"64": 0.02}'),
        json.dumps({"of": OF, "errors": {"64": 0.02}}),
        json.dumps({"of": OF, "errors": dict.fromkeys(COMPUTED, "<script>")}),
        json.dumps({"of": OF | {"protocol": "holdout"}, "errors": COMPUTED}),
    ],
)
def test_damaged_baselines_are_computed_again(save, reports, computed, content):
    """So are those of other images; and then they are kept."""
    rows = save(metrics(suite="sample"))
    if content is not None:
        (reports / "sample" / "baselines.json").write_text(content)
    assert [suite.baselines("sample", rows) for _ in range(2)] == [COMPUTED] * 2
    assert len(computed) == 1
    assert suite.baselines("sample", rows.iloc[:0]) == {}


def test_no_baselines_of_other_images(save, reports, computed, monkeypatch):
    """A suite that people fill may have runs on several data sets, or on one that is not here."""
    rows = save(metrics(suite="class"), metrics(suite="class", seed=1))
    mixed = rows.assign(data=["digits", "fashion_mnist"])
    assert suite.baselines("class", mixed) == {}
    other = SimpleNamespace(sha256={"x_train": "another file of that name"})
    monkeypatch.setattr("fmnist_keras.data.load", lambda **asked: other)
    assert suite.baselines("class", rows) == {}
    monkeypatch.undo()
    monkeypatch.setenv("REPORTS_DIR", str(reports))
    assert suite.baselines("class", save(metrics(suite="away") | {"params": away()})) == {}


def away():
    return metrics()["params"] | {"data": "/nowhere/digits.npz"}


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
