"""The points of studies on pages: as ablations of a suite and on their own."""

import json
import shutil

import pytest

from fmnist_keras import params, runs
from fmnist_keras.report import studies, study_figures, study_text, suite
from fmnist_keras.workflow import experiments, plan


def test_the_claims_name_points_of_the_study():
    """Each has a run in suite paper, whose record says what it changes."""
    found = experiments.study("ablations", "paper")
    named = suite.claims.names().keys() - params.load_all().keys()
    assert named <= found.params.keys()
    rows = runs.table("paper")
    points = rows[suite.on_page(rows) & rows["changes"].map(len).gt(0)].drop_duplicates("model")
    assert set(points["model"]) == named
    assert [params.run_name(row.base, row.changes) for row in points.itertuples()] == list(points["model"])
    assert set(found.bases) <= {f"model_{number}" for number in range(1, 9)}


def run(model, base="model_5", changes=None, **values):
    """Return what the report reads of a run; of model 5 or 7, but for the values."""
    held = params.load_all()[base].as_dict() | {"model": model} | values
    run = {"model": model, "seed": 0, "kind": "classifier", "base": base, "changes": changes or {}}
    run |= {"params": held, "val": {"loss": 0.3, "accuracy": 0.9}, "best_epoch": 7, "epochs_run": 12}
    return run | {"ran": None, "interrupted": False, "images": {"train": 10, "val": 10}}


def test_points_without_runs_may_be_others():
    """A suite that gives its model what a point changes has the point's runs under the model's name."""
    grouped = {
        "model_1": [run("model_1", "model_1", patience=40)],
        "model_7": [run("model_7", "model_7", batch_size=100)],
        "model_8": [run("model_8", "model_8", batch_size=100)],
        "model_3": [run("model_3", "model_3")],
        "mine": [run("mine", "model_3", optimizer="adam", epsilon=params.PAPER_EPSILON)],  # Adam's own
    }
    found = {"model_1-patience_40": "model_1", "model_3-optimizer_adam": "mine"}
    one, changes = "model_7-final_activation_null", {"final_activation": None}
    values = changes | {"batch_size": 100, "min_delta": 1e-4, "restore_epoch": None}
    assert suite.claims.equal_points(grouped) == found
    grouped[one] = [run(one, "model_7", changes, **values)]
    assert suite.claims.equal_points(grouped) == found | {"model_8-train_encoder_true": one}
    assert f"**model_8-train_encoder_true** is {one}" in suite.say(
        "equal", {"model_8-train_encoder_true": one}
    )


def test_what_departs_counts_nowhere(reports):
    """It stays on the page and in the list of what is left out, with the reason."""
    ran = {"layers": [], "trainable": "", "loss": "x", "optimizer": "", "latent_dim": 64, "epochs": 40}
    ran |= {"steps_per_epoch": 600, "departs": {"layers": "own layers"}}
    for seed, change in enumerate(({}, {"interrupted": True}, {"ran": ran})):
        put(landed("model_6", seed) | change)
    rows = runs.table("paper")
    assert list(rows["seed"]) == [0, 1, 2]
    assert set(suite.claims.of_suite("paper", runs.records(rows))["least"]) == {0, 1}
    out = [("model_6, seed_1", "interrupted in epoch 41"), ("model_6, seed_2", "layers: own layers")]
    assert suite.left_out("paper") == out
    said = suite.state("paper", rows)
    assert "In no claim and not in Table III:** model_6, seed 1: interrupted" in said
    assert "In no claim and not in Table III:** model_6, seed 2: layers: own layers" in said
    assert [job.current for job in plan.jobs("paper", ["model_6"], range(3)).values()][3:] == [False] * 3


def test_equal_points_are_on_the_page(reports):
    """In suite sample a claim's point is another one's run."""
    one, changes = "model_7-final_activation_null", {"final_activation": None}
    for name, change in (("model_7", {}), ("model_8", {}), (one, changes)):
        made = landed(name if name != one else "model_7", 0)
        made["params"] |= {"batch_size": 100, "min_delta": 1e-4, "restore_epoch": None} | change
        put(made | {"model": name, "base": name.split("-")[0], "changes": change})
    rows = runs.table("paper")
    assert suite.on_page(rows).tolist() == [True] * 3


def landed(model, seed):
    path = runs.ROOT / "reports" / "paper" / model / f"seed_{seed}" / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8"))


def put(metrics):
    folder = runs.run_dir("paper", metrics["model"], metrics["seed"])
    folder.mkdir(parents=True)
    history = runs.ROOT / "reports" / "paper" / metrics["params"]["model"] / folder.name / "history.csv"
    shutil.copy(history, folder)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


@pytest.fixture
def done(write):
    """The study of four landed points of both kinds, two seeds each, as its page reads it."""
    write([{"base": "model_3", "optimizer": "adam"}, {"base": "model_6", "encoder_from": None}])
    found = experiments.study("ablations", "paper")
    for point in found.points:
        for seed in found.seeds:
            put(landed(point["run"], seed))
    folder = runs.suite_dir("paper") / "studies" / "ablations"
    folder.mkdir(parents=True)
    content = {name: value for name, value in vars(found).items() if name not in ("params", "equal")}
    (folder / "study.json").write_text(json.dumps(content | {"runs": list(found.params)}), encoding="utf-8")
    return lambda: studies.load("ablations", "paper")


def test_each_point_is_compared_with_its_base(done):
    effects = done().effects
    assert effects[["base", "changes", "of", "seeds"]].to_numpy().tolist() == [
        ["model_3", "optimizer adam", "val_loss", "2"],
        ["model_6", "encoder_from null", "val_accuracy", "2 + 2"],
    ]
    ours, theirs = (
        [landed(name, seed)["val"]["accuracy"] for seed in (0, 1)]
        for name in ("model_6-encoder_from_null", "model_6")
    )
    assert effects["difference"][1] == pytest.approx((sum(ours) - sum(theirs)) / 2, abs=1e-6)
    said = study_text.answer(done())
    assert "optimizer adam changes the validation loss of model_3 by -0.0" in said
    assert "encoder_from null changes the validation accuracy of model_6 by +0.0" in said


def test_a_page_of_points_has_all_parts(done):
    """Autoencoders and classifiers are ranked each by themselves."""
    found = done()
    assert found.points["run"].tolist()[2:] == ["model_3-optimizer_adam", "model_3"]
    assert set(found.points["of"]) == {"val_loss", "val_accuracy"}
    assert found.points["apart"].notna().sum() == 2
    drawn = study_figures.by_value(found)
    assert "val_accuracy of model_6, encoder_from null +0.0" in drawn.get_label()
    assert len(found.factors) == 1


def test_a_study_says_what_it_leaves_out(done):
    path = runs.run_dir("paper", "model_6", 1) / "metrics.json"
    path.write_text(json.dumps(landed("model_6", 1) | {"interrupted": True}))
    assert len(done().runs) == 7
    assert "**Left out:** model_6, seed 1: interrupted in epoch" in study_text.introduction(done())
    for seed in (0, 1):
        shutil.rmtree(runs.run_dir("paper", "model_6", seed))
        shutil.rmtree(runs.run_dir("paper", "model_3", seed))
    assert done().effects.empty
    assert "no point and its base" in study_text.answer(done()).lower()
    assert study_figures.by_value(done()).data == ""
