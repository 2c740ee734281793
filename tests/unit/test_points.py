"""Studies of single points, and `ablations`, whose points a suite's page and its claims use."""

import json
import shutil

import pytest
import yaml

from fmnist_keras import params, runs
from fmnist_keras.report import readme, studies, study_figures, suite
from fmnist_keras.workflow import experiments, plan

POINTS = [
    {"base": "model_7", "final_activation": None},
    {"base": "model_8", "train_encoder": True},
    {"base": "model_1", "patience": 40, "dropout": 0.1},
]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes `ablations.yaml` beside the paper's models: `write(points, seeds=[0])`."""
    folder = tmp_path / "params"
    shutil.copytree(params.PARAMS_DIR, folder)
    for module in (params, experiments):
        monkeypatch.setattr(module, "PARAMS_DIR", folder)
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))

    def points(points=POINTS, name="ablations", **fields):
        given = {"study": name, "points": points, "seeds": [0, 1]} | fields
        given = {field: value for field, value in given.items() if value is not None}
        content = f"# Why?\n{yaml.safe_dump(given, sort_keys=False)}"
        (folder / "studies" / f"{name}.yaml").write_text(content, encoding="utf-8")

    return points


def test_points_and_their_bases_are_runs(write):
    write()
    found = experiments.study("ablations", "paper")
    assert [(point["run"], point["changes"]) for point in found.points] == [
        ("model_7", "nothing"),
        ("model_7-final_activation_null", "final_activation null"),
        ("model_8", "nothing"),
        ("model_8-train_encoder_true", "train_encoder true"),
        ("model_1", "nothing"),
        ("model_1-dropout_0.1-patience_40", "patience 40, dropout 0.1"),
    ]
    one = found.params["model_1-dropout_0.1-patience_40"]
    assert (one.base, one.changes) == ("model_1", {"dropout": 0.1, "patience": 40})
    assert found.params["model_1"].changes is None
    assert (found.question, found.seeds, found.equal) == ("Why?", [0, 1], {})


def test_fields_of_a_point_go_together(write):
    """SGD has no epsilon, Adam may have another, and a classifier's code is as long as its encoder's."""
    write(
        [
            {"base": "model_1", "optimizer": "sgd", "learning_rate": 0.1},
            {"base": "model_3", "optimizer": "adam", "epsilon": 1e-7},
            {"base": "model_5", "latent_dim": 32, "encoder.latent_dim": 32},
        ]
    )
    found = experiments.study("ablations", "paper").params
    assert found["model_1-learning_rate_0.1-optimizer_sgd"].epsilon is None
    assert found["model_3-optimizer_adam"].epsilon == 1e-7
    last = found["model_5-encoder_latent_dim_32-latent_dim_32"]
    assert last.encoder_from == "model_1-latent_dim_32"
    assert last.changes == {"latent_dim": 32, "encoder.latent_dim": 32}


@pytest.mark.parametrize(
    ("points", "fields", "words"),
    [
        ([{"base": "model_33", "dropout": 0.1}], {}, "base: 'model_33' is not in params; did you mean"),
        ([{"dropout": 0.1}], {}, "base: None is not in params"),
        ([{"base": ["model_3"], "dropout": 0.1}], {}, r"base: \['model_3'\] is not in params"),
        ([{"base": "model_3"}], {}, "changes nothing; allowed: model_3 and a field"),
        ([{"base": "model_3", "dropout": 0.3}], {}, "dropout: 0.3 changes nothing; allowed: another value"),
        ([{"base": "model_3", "dropout": 3}], {}, "dropout: 3 is not allowed"),
        ([{"base": "model_3", "dropuot": 0.1}], {}, "did you mean dropout"),
        ([{"base": "model_3", "seed": 3}], {}, "seed: is not varied"),
        ([{"base": "model_3", 7: 3}], {}, "7: 3 is an unknown field"),
        ([{"base": "model_3", "encoder.epochs": 3}], {}, "encoder.epochs: model_3 starts from none"),
        ([{"base": "model_5", "encoder.epochs": 0}], {}, "encoder.epochs: 0 is not allowed"),
        ([{"base": "model_5", "latent_dim": 32}], {}, "latent_dim: 32 is not allowed; allowed: 64"),
        (["model_3"], {}, "points: .* is not allowed; allowed: a list"),
        ([], {}, "points: .* is not allowed; allowed: a list"),
        (POINTS, {"base": "model_3"}, "base: is not allowed with points"),
        (POINTS, {"each": "grid"}, "each: is not allowed with points"),
        (POINTS, {"vary": {"dropout": [0.1]}}, "vary, points: both are there"),
        (None, {}, "vary, points: neither is there"),
        (None, {"vary": {"dropout": [0.1]}}, "base: is missing; allowed: a model"),
        (None, {"vary": {"dropout": [0.3, 0.1 + 0.2]}, "base": "model_1"}, "different values"),
    ],
)
def test_a_wrong_point_is_named(write, points, fields, words):
    write(points, "mine", **fields)
    with pytest.raises(params.ParamsError, match=words) as error:
        experiments.study("mine", "paper")
    assert "mine.yaml" in str(error.value)


def test_a_point_wins_over_the_suite(write):
    write([{"base": "model_2", "batch_size": 32}, {"base": "model_1", "epochs": 3}])
    found = plan.jobs("sample", names=["model_2-batch_size_32", "model_1-epochs_3"])
    assert found["model_2-batch_size_32", 0].params.batch_size == 32
    assert found["model_1-epochs_3", 0].params.epochs == 3


def test_a_point_brings_its_autoencoder(write):
    write()
    found = plan.jobs("paper", names=["model_8-train_encoder_true"], seeds=[3])
    assert list(found) == [("model_4", 3), ("model_8-train_encoder_true", 3)]
    assert {job.params.seed for job in found.values()} == {3}
    with pytest.raises(params.ParamsError, match="MODELS: 'model_8-train_encoder' .* mean model_8-train_"):
        plan.jobs("paper", names=["model_8-train_encoder"])
    assert experiments.resolve("model_8-train_encoder_true", "paper", 2).train_encoder
    with pytest.raises(params.ParamsError, match="model: 'mine' is not in params"):
        experiments.resolve("mine", "paper", 0)


def test_equal_points_are_one_run(write, capsys):
    """In suite sample all batches are of 100: models 7 and 8 then differ in two fields, and no more."""
    write()
    found = plan.jobs("sample", ablations=True)
    assert [model for model, _ in found if "_7" in model or "_8" in model] == [
        *("model_7", "model_8", "model_7-final_activation_null")
    ]
    plan.describe(found)
    said = "model_8-train_encoder_true is model_7-final_activation_null in this suite"
    assert said in capsys.readouterr().err
    named = plan.jobs("sample", names=["model_8-train_encoder_true"])
    assert ("model_7-final_activation_null", 0) in named
    assert ("model_8-train_encoder_true", 0) in plan.jobs("paper", ablations=True)
    assert (
        experiments.resolve("model_8-train_encoder_true", "sample", 0).model
        == "model_7-final_activation_null"
    )


def test_a_wrong_study_stops_only_what_needs_it(write):
    write([{"base": "model_1", "dropout": 3}])
    assert len(plan.jobs("sample")) == 8
    for call in ({"ablations": True}, {"names": ["model_1-dropout_3"]}):
        with pytest.raises(params.ParamsError, match=r"ablations\.yaml: dropout: 3 is not allowed"):
            plan.jobs("sample", **call)


def test_without_a_study_there_are_no_ablations(write):
    (params.PARAMS_DIR / "studies" / "ablations.yaml").unlink()
    assert len(plan.jobs("sample", ablations=True)) == 8
    with pytest.raises(params.ParamsError, match="MODELS: 'mine' is not allowed"):
        plan.jobs("sample", names=["mine"])


def test_the_claims_name_points_of_the_study():
    """Each has a run in suite paper, whose record says what it changes."""
    found = experiments.ablations("paper")
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
    }
    one, changes = "model_7-final_activation_null", {"final_activation": None}
    values = changes | {"batch_size": 100, "min_delta": 1e-4, "restore_epoch": None}
    assert suite.claims.equal_points(grouped) == {"model_1-patience_40": "model_1"}
    grouped[one] = [run(one, "model_7", changes, **values)]
    both = {"model_1-patience_40": "model_1", "model_8-train_encoder_true": one}
    assert suite.claims.equal_points(grouped) == both
    assert f"**model_8-train_encoder_true** is {one}" in suite.equal_points(grouped)
    assert suite.equal_points({}) == ""


def test_another_optimizer_has_its_own_epsilon():
    grouped = {
        "model_3": [run("model_3", "model_3")],
        "mine": [run("mine", "model_3", optimizer="adam", epsilon=params.PAPER_EPSILON)],
    }
    assert suite.claims.equal_points(grouped) == {"model_3-optimizer_adam": "mine"}


def test_what_departs_counts_nowhere(reports):
    """It stays on the page and in the list of what is left out, with the reason."""
    ran = {"layers": [], "trainable": "", "loss": "x", "optimizer": "", "latent_dim": 64, "epochs": 40}
    ran |= {"steps_per_epoch": 600, "departs": {"layers": "own layers"}}
    for seed, change in enumerate(({}, {"interrupted": True}, {"ran": ran})):
        put(landed("model_6", seed) | change)
    rows = runs.table("paper")
    assert list(rows["seed"]) == [0, 1, 2]
    assert set(readme.cells(rows)["size"]) == {1}
    assert set(suite.claims.of_suite("paper", runs.records(rows))["least"]) == {0, 1}
    out = [("model_6, seed_1", "interrupted in epoch 41"), ("model_6, seed_2", "layers: own layers")]
    assert suite.left_out("paper") == out
    said = suite.introduction("paper", rows)
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
    write([{"base": "model_3", "optimizer": "adam"}, {"base": "model_8", "train_encoder": True}])
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
        ["model_8", "train_encoder true", "val_accuracy", "2"],
    ]
    ours, theirs = (
        [landed(name, seed)["val"]["accuracy"] for seed in (0, 1)]
        for name in ("model_8-train_encoder_true", "model_8")
    )
    assert effects["difference"][1] == pytest.approx((sum(ours) - sum(theirs)) / 2, abs=1e-6)
    said = studies.answer(done())
    assert "optimizer adam changes the val_loss of model_3 by -0.0" in said
    assert "train_encoder true changes the val_accuracy of model_8 by +0.0" in said


def test_a_page_of_points_has_all_parts(done):
    """Autoencoders and classifiers are ranked each by themselves."""
    found = done()
    assert found.points["run"].tolist()[2:] == ["model_3-optimizer_adam", "model_3"]
    assert set(found.points["of"]) == {"val_loss", "val_accuracy"}
    assert found.points["apart"].notna().sum() == 2
    drawn = [draw(found) for draw in (study_figures.by_value, study_figures.heat_map, study_figures.losses)]
    assert "val_accuracy of model_8, train_encoder true +0.0" in drawn[0].get_label()
    assert "base model_8, changes train_encoder true 0." in drawn[2].get_label()
    assert len(found.factors) == 1


def test_a_study_says_what_it_leaves_out(done):
    path = runs.run_dir("paper", "model_8", 1) / "metrics.json"
    path.write_text(json.dumps(landed("model_8", 1) | {"interrupted": True}))
    assert len(done().runs) == 7
    assert "**Left out:** model_8, seed 1: interrupted in epoch" in studies.introduction(done())
    for seed in (0, 1):
        shutil.rmtree(runs.run_dir("paper", "model_8", seed))
        shutil.rmtree(runs.run_dir("paper", "model_3", seed))
    assert done().effects.empty
    assert "no point and its base" in studies.answer(done()).lower()
    assert study_figures.by_value(done()).get_label()


def test_markers_and_priorities_take_points(write, reports, tmp_path):
    write()
    found = plan.jobs("paper", ablations=True)
    assert plan.encoder_marker(found, "model_8-train_encoder_true", 0) == ["model_4/seed_0"]
    assert plan.priority(found, "model_8-train_encoder_true", 0) == 1
