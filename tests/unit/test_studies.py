import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from fmnist_keras import evaluation, params, runs
from fmnist_keras.report import paper, statistics, studies, study_figures, study_text
from fmnist_keras.workflow import experiments, plan

GRID = {
    "study": "mine",
    "base": "model_3",
    "vary": {"dropout": [0.1, 0.3], "latent_dim": [32, 64]},
    "seeds": [0, 1, 2],
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Writes a study beside the paper's models and reads it: `study(base="model_8", ...)`."""
    folder = tmp_path / "params"
    shutil.copytree(params.PARAMS_DIR, folder)
    monkeypatch.setattr(params, "PARAMS_DIR", folder)
    monkeypatch.setattr(experiments, "PARAMS_DIR", folder)
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))

    def read(suite="paper", text=None, **fields):
        given = {name: value for name, value in (GRID | fields).items() if value is not None}
        text = text or f"# Why\n# not?\n{yaml.safe_dump(given, sort_keys=False)}"
        (folder / "studies" / "mine.yaml").write_text(text, encoding="utf-8")
        return experiments.study("mine", suite)

    return read


def test_a_grid_is_the_product(study):
    """A point that is a model already has its name."""
    found = study()
    assert (found.question, found.seeds) == ("Why not?", [0, 1, 2])
    assert [point["run"] for point in found.points] == [
        *("model_3-dropout_0.1-latent_dim_32", "model_3-dropout_0.1"),
        *("model_3-latent_dim_32", "model_3"),
    ]
    one = found.params["model_3-dropout_0.1-latent_dim_32"]
    assert (one.model, one.dropout, one.latent_dim) == ("model_3-dropout_0.1-latent_dim_32", 0.1, 32)
    assert found.params["model_3"] == experiments.resolve("model_3", "paper", 0)
    for values in found.params.values():
        assert params.same(params.validate(values.as_dict(), values.kind), values)
    assert study(text=yaml.safe_dump(GRID)).question == "The study mine"


def test_one_at_a_time_starts_from_the_base(study):
    found = study(each="one_at_a_time")
    names = ["model_3", "model_3-dropout_0.1", "model_3-latent_dim_32"]
    assert [point["run"] for point in found.points] == names
    assert found.points[1] == found.points[1] | {"dropout": 0.1, "latent_dim": 64}


def test_a_varied_field_wins_over_the_suite(study):
    found = study("sample", vary={"batch_size": [100, 1000], "epochs": [2, 8]})
    made = [found.params[point["run"]] for point in found.points]
    assert [(one.batch_size, one.epochs) for one in made] == [(100, 2), (100, 8), (1000, 2), (1000, 8)]
    assert found.points[1]["run"] == "model_3"  # as the suite has it
    assert {values.data for values in found.params.values()} == {"sample"}


@pytest.mark.parametrize(
    "vary", [{"optimizer": ["adam"], "epsilon": [1e-7]}, {"epochs": [60], "restore_epoch": [50]}]
)
def test_fields_are_judged_together(study, vary):
    """Each alone is wrong on the base, or would be."""
    (name,) = [point["run"] for point in study(vary=vary).points]
    assert name == params.run_name("model_3", {field: given[0] for field, given in vary.items()})


def test_points_share_an_autoencoder(study):
    vary = {"encoder.epochs": [10, 40], "learning_rate": [0.001, 0.01], "final_activation": [None, "relu"]}
    found = study(base="model_8", vary=vary)
    kinds = [values.kind for values in found.params.values()]
    assert kinds == ["autoencoder"] * 2 + ["classifier"] * 8
    assert list(found.params)[:2] == ["model_4-epochs_10", "model_4"]
    sources = {point["run"]: found.params[point["run"]].encoder_from for point in found.points}
    assert sources["model_8-encoder_epochs_10"] == "model_4-epochs_10"
    assert sources["model_8"] == "model_4"
    assert len(plan.from_config({"study": "mine", "suite": "paper"})) == 30


def test_fields_that_go_together_are_one_entry(study):
    vary = {"latent_dim, encoder.latent_dim": [32, 64], "initializer, encoder.initializer": ["pytorch"]}
    found = study(base="model_5", vary=vary)
    names = [point["run"] for point in found.points]
    assert names[0] == (
        "model_5-encoder_initializer_pytorch-encoder_latent_dim_32-initializer_pytorch-latent_dim_32"
    )
    for one in map(found.params.get, names):
        assert one.latent_dim == found.params[one.encoder_from].latent_dim


def of_5(vary, **fields):
    return {"base": "model_5", "vary": vary} | fields


NONE = {"encoder_from": ["model_1", None], "encoder.epochs": [10, 20]}
TEXT = "study: mine\nbase: model_3\nvary:\n  {}\nseeds: [0]\n"


# fmt: off
@pytest.mark.parametrize(("fields", "words"), [
    ({"vary": {"dropuot": [0.1]}}, "dropuot: 0.1 is an unknown field; did you mean dropout"),
    ({"vary": {"dropout": [0.1, 1.5]}}, "dropout: 1.5 is not allowed; allowed: a number"),
    ({"vary": {"dropout": []}}, r"dropout: \[\] is not allowed; allowed: a list of one or more"),
    ({"vary": {"dropout": [0.1, 0.1]}}, "allowed: a list of one or more different values"),
    ({"vary": {"dropout": 0.1}}, "dropout: 0.1 is not allowed; allowed: a list"),
    ({"vary": {}}, "vary: {} is not allowed; allowed: fields, each with a list"),
    ({"vary": {"seed": [1, 2]}}, "seed: is not varied; .*seeds have a list of their own"),
    ({"vary": {"data": ["full"]}}, "data: is not varied"),
    ({"vary": {"dropout": [0.1], "dropout, latent_dim": [1]}}, "dropout: duplicate field"),
    ({"vary": {"kind": ["classifier"]}}, "kind: is not varied"),
    ({"vary": {"encoder.epochs": [5]}}, "encoder.epochs: model_3 starts from none; allowed with"),
    ({"vary": {"optimizer": ["adam", "sgd"], "epsilon": [1e-7, 1e-8]}}, "yaml: epsilon: 1e-07 .*with adam"),
    (of_5({"encoder.optimizer": ["sgd"], "encoder.epsilon": [1e-7]}), "encoder.epsilon: 1e-07 .*with adam"),
    (of_5({"encoder_from": ["latest"]}), "encoder_from: 'latest' is not an auto"),
    (of_5({"encoder_from": ["model_6"]}), "'model_6' is not an autoencoder in params; did you mean model_4?"),
    (of_5(NONE), "encoder.epochs: is not allowed with encoder_from: null; allowed: an auto"),
    (of_5(NONE, each="one_at_a_time"), "encoder.epochs: is not allowed with encoder_from: null"),
    ({"base": None, "vary": None, "points": [{"base": "model_5"} | {n: v[1] for n, v in NONE.items()}]},
     "encoder.epochs: is not allowed with encoder_from: null"),
    (of_5({"encoder.dropuot": [0]}), "encoder.dropuot: 0 is an unknown field"),
    (of_5({"encoder.epochs": [0]}), "encoder.epochs: 0 is not allowed; allowed: a whole"),
    (of_5({"latent_dim": [32]}), "latent_dim: 32 is not allowed; allowed: 64, the latent_dim"),
    ({"base": "model_33"}, "base: 'model_33' is not in params; did you mean model_3"),
    ({"base": ["model_3", "model_5"]}, "base: .* allowed: models of one kind"),
    ({"base": []}, r"base: \[\] is not allowed; allowed: a model of params"),
    ({"seeds": []}, r"seeds: \[\] is not allowed; allowed: a list of different whole numbers"),
    ({"seeds": [0, 0]}, "seeds: "),
    ({"seeds": [-1]}, "seeds: "),
    ({"seeds": [1.0]}, r"seeds: \[1.0\] is not allowed"),
    ({"base": "better_classifier"}, "base: suite paper leaves better_classifier out; allowed: another base"),
    ({"seeds": None}, "seeds: is missing; allowed: a list"),
    ({"study": "yours"}, "study: 'yours' is not allowed; allowed: mine"),
    ({"each": "all"}, "each: 'all' is not allowed; allowed: grid or one_at_a_time"),
    ({"text": TEXT.format("dropout: [0.1]\n  dropout: [0.2]")}, "duplicate field"),
    ({"text": TEXT.format("epochs: [010]")}, "'epochs': 010 is not allowed"),
])
# fmt: on
def test_a_wrong_study_is_named(study, fields, words):
    with pytest.raises(params.ParamsError, match=words) as error:
        study(**fields)
    assert "mine.yaml" in str(error.value)


def test_a_study_s_name_is_checked(study):
    study()
    for name in ("mien", "", "../mine"):
        with pytest.raises(params.ParamsError, match="STUDY: .* is not in params/studies; "):
            plan.from_config({"suite": "paper", "study": name})
    path = params.PARAMS_DIR / "studies" / "model_3.yaml"
    path.write_text(yaml.safe_dump(GRID | {"study": "model_3"}), encoding="utf-8")
    with pytest.raises(params.ParamsError, match="study: 'model_3' is not allowed"):
        experiments.study("model_3", "paper")


def test_some_of_a_study_s_seeds_may_be_run(study):
    study(vary={"dropout": [0.0, 0.1]}, seeds=[0, 1, 2])
    config = {"suite": "paper", "study": "mine"}
    assert [seed for _, seed in plan.from_config(config | {"seeds": "0 2"})] == [0, 0, 2, 2]
    for every in ({}, {"seeds": None}, {"seeds": ""}):
        assert len(plan.from_config(config | every)) == 6
    assert len(plan.from_config(config | {"seeds": 0})) == 2  # as Snakemake reads seeds=0
    with pytest.raises(params.ParamsError, match="SEEDS: 3 is not allowed; allowed with study mine: 0, 1, 2"):
        plan.from_config(config | {"seeds": "0 3"})


def test_more_than_200_runs_need_confirmation(study):
    study(vary={"epochs": list(range(1, 68))})
    config = {"suite": "sample", "study": "mine"}
    with pytest.raises(params.ParamsError, match="study mine: 201 runs, .*; CONFIRM=1 starts them"):
        plan.from_config(config)
    assert len(plan.from_config(config | {"confirm": 1})) == 201


def test_the_hours_are_a_cpu_s(study):
    study(vary={"epochs": list(range(1, 68))})
    config = {"suite": "paper", "study": "mine"}
    finish(experiments.resolve("model_1", "paper", 0), 0, 0.1)
    with pytest.raises(params.ParamsError, match="at most some [1-9].* hours of one core") as on_a_cpu:
        plan.from_config(config)
    for seed in (1, 2):
        finish(experiments.resolve("model_1", "paper", seed), seed, 0.1)
        path = runs.run_dir("paper", "model_1", seed) / "metrics.json"
        made = json.loads(path.read_text()) | {"device": "cuda:0", "seconds": {"fit": 0.1, "total": 0.2}}
        path.write_text(json.dumps(made))
    with pytest.raises(params.ParamsError) as beside:
        plan.from_config(config)
    assert str(beside.value) == str(on_a_cpu.value)


def finish(values, seed, loss, source="AE"):
    """Leave a run as its notebook would: an autoencoder whose images' errors are `loss` on the average."""
    name = {"autoencoder": "model_1", "classifier": "model_6"}[values.kind]
    landed = runs.ROOT / "reports" / "paper" / name / "seed_0"
    metrics = json.loads((landed / "metrics.json").read_text(encoding="utf-8"))
    metrics |= {"model": values.model, "suite": values.suite, "seed": seed, "encoder_sha256": values.model}
    metrics["params"] = values.as_dict() | {"seed": seed}
    metrics |= {"base": values.base or values.model, "changes": values.changes or {}}
    folder = runs.run_dir(values.suite, values.model, seed)
    folder.mkdir(parents=True)
    if values.kind == "autoencoder":
        noise = np.random.default_rng(seed).uniform(-0.01, 0.01, metrics["images"]["val"])
        errors = loss + noise - noise.mean()
        metrics |= {"val": {"loss": float(errors.mean())}, "image_errors": evaluation.pack(errors)}
        metrics["pixel_errors"] = evaluation.pack([errors.mean()] * 784)
        zipfile.ZipFile(folder / "encoder.keras", "w").close()
    else:
        metrics |= {"started_from_sha256": values.encoder_from} | loss
    shutil.copy(landed / "history.csv", folder)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def write(found, suite):
    folder = runs.suite_dir(suite) / "studies" / "mine"
    folder.mkdir(parents=True)
    content = {"name": "mine", "question": found.question, "bases": found.bases, "vary": found.vary}
    content |= {"seeds": found.seeds, "points": found.points, "runs": list(found.params)}
    (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
    return studies.load("mine", suite)


def cost(values):
    return 0.02 + 0.02 * values.dropout - 0.0001 * values.latent_dim


@pytest.fixture
def done(study):
    """A finished grid whose effects are known: 0.02 a unit of dropout, -0.0001 a number of the code."""
    found = study()
    for values in found.params.values():
        for seed in found.seeds:
            finish(values, seed, cost(values) + 0.0001 * seed)
    return write(found, "paper")


def test_an_answer_says_what_each_field_changes(done):
    """And the best point, whose interval pays for its having been picked out of four."""
    said = study_text.answer(done)
    assert "The best of 4 points is dropout 0.1, latent_dim 64: val_loss 0.015" in said
    assert "Against model_3 that is -0.0040 (95 % interval, corrected for having been picked: -0.004" in said
    assert "Main effects on val_loss" in said
    assert ": dropout 0.3 -> 0.1: -0.0040 (-0.0040 to -0.0040); " in said
    assert "; latent_dim 64 -> 32: +0.0032 (+0.0029 to +0.0035)." in said


def test_the_best_interval_allows_for_picking(done):
    """Of four points three could have been picked, so the interval's level is 1 - 0.05 / 3."""
    rng, gaps = np.random.default_rng(1), []
    for one, base in zip(done.grouped["model_3-dropout_0.1"], done.grouped["model_3"]):
        one["by_image"] = one["by_image"] + rng.normal(0, 0.0003)
        gaps.append(one["by_image"] - base["by_image"])
    _, low, high = statistics.interval([np.array(gaps)], 1 - 0.05 / 3)
    assert f"corrected for having been picked: {low:+.4f} to {high:+.4f})" in study_text.best(done)


def test_runs_that_stand_are_up_to_date(done):
    assert all(job.current for job in plan.from_config({"study": "mine", "suite": "paper"}).values())


def test_a_table_has_a_row_a_run(done):
    table = studies.table("mine")
    assert list(table) == [
        *("base", "dropout", "latent_dim", "of", "seed", "train_loss", "val_loss"),
        *("best_epoch", "epochs_run", "seconds", "run"),
    ]
    row = table.query("dropout == 0.1 and latent_dim == 32 and seed == 2").iloc[0]
    assert (len(table), row["val_loss"]) == (12, pytest.approx(0.02 + 0.002 - 0.0032 + 0.0002, rel=1e-3))
    with pytest.raises(runs.RunError, match="study 'yours' has no results here; make study STUDY=yours"):
        studies.table("yours")


def test_a_value_taken_out_keeps_its_runs(done):
    """Runs say what they change; those of other fields or bases are no points."""
    path = runs.suite_dir("paper") / "studies" / "mine" / "study.json"
    about = json.loads(path.read_text())
    about["points"] = [point for point in about["points"] if point["dropout"] == 0.3]
    path.write_text(json.dumps(about))
    (params.PARAMS_DIR / "studies" / "mine.yaml").unlink()
    finish(replace(experiments.resolve("model_3", "paper", 0), model="other", base="model_3",
                   changes={"epochs": 3}), 0, 0.1)  # fmt: skip
    found = studies.load("mine", "paper")
    assert found.factors == {"dropout": [0.3, 0.1], "latent_dim": [32, 64]}
    assert sorted(found.runs["val_loss"]) == sorted(done.runs["val_loss"])


def test_effects_are_differences_all_else_equal(done):
    effects = done.effects
    assert effects[["field", "value", "against"]].to_numpy().tolist() == [
        ["dropout", "0.1", "0.3"],  # model_3's
        ["latent_dim", "32", "64"],
    ]
    assert effects["difference"].tolist() == pytest.approx([-0.004, 0.0032], rel=1e-2)
    assert effects["difference"].between(effects["low"], effects["high"]).all()


def test_runs_of_other_parameters_are_left_out(done):
    """Seed 2 was made before the model's file was edited: it is named, and in no mean, claim or point."""
    path = runs.run_dir("paper", "model_3", 2) / "metrics.json"
    old = json.loads(path.read_text())
    old |= {"finished": None, "params": old["params"] | {"learning_rate": 0.5}}
    path.write_text(json.dumps(old))
    said = "other parameters than seed 1: learning_rate"
    assert studies.load("mine", "paper").left_out == {"model_3, seed 2": said}
    records = runs.records(runs.table("paper"))["model_3"]
    assert [runs.not_counted(run) for run in records] == ["", "", said]


def test_figures_say_their_numbers(done):
    drawn = [study_figures.by_value(done), study_figures.heat_map(done)]
    assert "val_loss by dropout and latent_dim: 0.1, 32 0.0189" in drawn[0].get_label()
    assert "from 0.0157 at dropout 0.1, latent_dim 64 to 0.0229 at" in drawn[1].get_label()
    assert drawn[1].axes[0].get_title() == "val_loss, mean over seeds"


def test_a_mean_over_some_points_is_not_drawn(study):
    """Of points that change one thing each, the differences: dropout is not a part of latent_dim's effect."""
    found = study(each="one_at_a_time")
    for values in found.params.values():
        for seed in found.seeds:
            finish(values, seed, cost(values) + 0.0001 * seed)
    one = write(found, "paper")
    drawn = study_figures.by_value(one).get_label()
    assert "val_loss of dropout 0.1 -0.0040; val_loss of latent_dim 32 +0.0032" in drawn
    assert study_figures.heat_map(one).data == ""


def test_a_study_may_lack_runs(study):
    """Of none and of one, every table, figure and sentence is there."""
    found = study()
    empty = write(found, "paper")
    assert [len(table) for table in (empty.runs, empty.points, empty.effects)] == [0, 0, 0]
    assert "12 of 12 runs are still missing" in study_text.introduction(empty)
    finish(found.params["model_3"], 0, 0.02)
    one = studies.load("mine", "paper")
    assert "11 of 12 runs are still missing" in study_text.introduction(one)
    assert (len(one.points), len(one.effects)) == (1, 0)
    for some in (empty, one):
        assert study_figures.differences(some).data == ""
    assert study_figures.heat_map(empty).data == ""
    assert study_figures.heat_map(one).data == "", "not all values are combined"


def test_a_consistent_point_has_all_four_numbers(study):
    found = study(base="model_8", vary={"encoder.epochs": [10, 20, 30]}, seeds=[0, 1, 2, 3])
    theirs = paper.RESULTS["model_8"]
    rng = np.random.default_rng(0)
    for values in found.params.values():
        epochs = found.params.get(values.encoder_from or "", values).epochs
        for seed in found.seeds:
            noise = rng.normal(0, 0.002)
            loss = {}
            if values.kind == "classifier":  # all four move together; at 20 epochs they are the paper's
                loss = {part: {} for part in ("train", "val")}
                for row, number in theirs.items():
                    part, quantity = row.split()
                    sign = 1 if quantity == "loss" else -0.5
                    away = sign * (noise + 0.002 * (20 - epochs)) + rng.normal(0, 0.0003)
                    loss[part][quantity] = number + away
            finish(values, seed, loss or 0.02)
    points = write(found, "paper").points
    assert points.set_index("encoder.epochs")["consistent"].to_dict() == {10: "no", 20: "yes", 30: "no"}
    text = study_text.answer(studies.load("mine", "paper"))
    assert text.startswith("1 of 3 points are consistent with all of Table III's numbers of model_8: ")
    assert ": encoder.epochs 20. Closest: encoder.epochs 20." in text
    for values in found.params.values():
        for seed in found.seeds[1:]:
            shutil.rmtree(runs.run_dir("paper", values.model, seed))
    alone = studies.load("mine", "paper")  # a seed of each point: no spread to judge them by
    assert "consistent" not in alone.points
    said = "Closest to all of Table III's numbers of model_8 of 3 points: encoder.epochs 20, within 0.0"
    assert said in study_text.answer(alone)


def test_rounding_is_no_departure():
    """Runs without any spread are consistent with numbers that the paper has rounded."""
    theirs = paper.RESULTS["model_8"]
    part = pd.DataFrame({name.replace(" ", "_"): [number + 0.0003] * 8 for name, number in theirs.items()})
    part = part.assign(base="model_8", run=[*"aaaabbbb"])
    assert studies._joint_tests(part, theirs)["consistent"].tolist() == ["yes", "yes"]


def test_a_suite_s_change_of_one_model(tmp_path, monkeypatch):
    shutil.copytree(params.PARAMS_DIR, tmp_path / "params")
    monkeypatch.setattr(experiments, "PARAMS_DIR", tmp_path / "params")
    path = tmp_path / "params" / "suites" / "odd.yaml"
    path.write_text("data: full\nprotocol: paper\nmodels:\n  model_4: {epochs: 7}\n", encoding="utf-8")
    assert experiments.resolve("model_4", "odd").epochs == 7
    assert experiments.resolve("model_8", "odd").epochs == 40
    for text, words in {
        "models:\n  model_44: {epochs: 7}\n": "models: unknown model 'model_44'; did you mean model_4",
        f"models: {dict.fromkeys(params.names(), 'null')}\n".replace("'", ""): "models: all are left out",
        "models: [model_4]\n": r"models: \['model_4'\] is not allowed",
        "models:\n  model_4: {seed: 7}\n": "seed: 7 is not allowed",
        "models:\n  model_4: {epochs: 0}\n": "epochs: 0 is not allowed",
    }.items():
        path.write_text(f"data: full\nprotocol: paper\n{text}", encoding="utf-8")
        with pytest.raises(params.ParamsError, match=words):
            experiments.resolve("model_4", "odd")


def test_the_repository_s_studies_are_read():
    names = sorted(path.stem for path in (params.PARAMS_DIR / "studies").glob("*.yaml"))
    assert {"dropout_and_code", "unsaid_autoencoder_epochs"} <= set(names)
    for name in names:
        found = experiments.study(name, "paper")
        assert len(found.seeds) >= 3
        assert set(found.bases) & {point["run"] for point in found.points}  # the base itself is a point


def test_a_truncated_study_json_is_absent(reports):
    folder = runs.suite_dir("sample") / "studies" / "mine"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text('{"name": "mi', encoding="utf-8")
    assert studies.names("sample") == []
