"""Which runs the points of a study are, and what of them is refused."""

import pytest

from fmnist_keras import params
from fmnist_keras.workflow import experiments, files, plan

UNFROZEN, LINEAR = "model_8-train_encoder_true", "model_7-final_activation_null"
POINTS = [
    {"base": "model_7", "final_activation": None},
    {"base": "model_8", "train_encoder": True},
    {"base": "model_1", "patience": 40, "dropout": 0.1},
]


def test_points_and_their_bases_are_runs(write):
    write(POINTS)
    found = experiments.study("ablations", "paper")
    assert [(point["run"], point["changes"]) for point in found.points] == [
        ("model_7", "nothing"),
        (LINEAR, "final_activation null"),
        ("model_8", "nothing"),
        (UNFROZEN, "train_encoder true"),
        ("model_1", "nothing"),
        ("model_1-dropout_0.1-patience_40", "patience 40, dropout 0.1"),
    ]
    one = found.params["model_1-dropout_0.1-patience_40"]
    assert (one.base, one.changes) == ("model_1", {"dropout": 0.1, "patience": 40})
    assert found.params["model_1"].changes is None
    assert (found.question, found.seeds, found.equal) == ("Why?", [0, 1], {})


def test_fields_of_a_point_go_together(write):
    """SGD has no epsilon, Adam may have another, and a classifier's code is as long as its encoder's."""
    sgd = {"base": "model_1", "optimizer": "sgd", "learning_rate": 0.1}
    adam = {"base": "model_3", "optimizer": "adam", "epsilon": 1e-7}
    write([sgd, adam, {"base": "model_5", "latent_dim": 32, "encoder.latent_dim": 32}])
    found = experiments.study("ablations", "paper").params
    assert found["model_1-learning_rate_0.1-optimizer_sgd"].epsilon is None
    assert found["model_3-epsilon_1e-07-optimizer_adam"].epsilon == 1e-7
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
def test_wrong_points_are_refused(write, points, fields, words):
    write(points, "mine", **fields)
    with pytest.raises(params.ParamsError, match=words) as error:
        experiments.study("mine", "paper")
    assert "mine.yaml" in str(error.value)


def test_points_are_asked_by_name(write):
    """They win over the suite, and bring the autoencoders that they start from."""
    write([*POINTS, {"base": "model_2", "batch_size": 32}])
    found = plan.jobs("sample", names=["model_2-batch_size_32"])
    assert found["model_2-batch_size_32", 0].params.batch_size == 32
    found = plan.jobs("paper", names=[UNFROZEN], seeds=[3])
    assert list(found) == [("model_4", 3), (UNFROZEN, 3)]
    assert files.encoder_marker(found, UNFROZEN, 3) == ["model_4/seed_3"]
    assert experiments.resolve(UNFROZEN, "paper", 2).train_encoder
    with pytest.raises(params.ParamsError, match="MODELS: 'model_8-train_encoder' .* mean model_8-train_"):
        plan.jobs("paper", names=["model_8-train_encoder"])
    with pytest.raises(params.ParamsError, match="model: 'mine' is not in params"):
        experiments.resolve("mine", "paper", 0)


def test_equal_points_are_one_run(write, capsys):
    """In suite sample all batches are of 100: models 7 and 8 then differ in two fields, and no more."""
    write(POINTS)
    found = plan.jobs("sample", ablations=True)
    assert (LINEAR, 0) in found
    assert (UNFROZEN, 0) not in found
    plan.describe(found)
    assert f"{UNFROZEN} is {LINEAR} in this suite" in capsys.readouterr().err
    assert (LINEAR, 0) in plan.jobs("sample", names=[UNFROZEN])
    assert (UNFROZEN, 0) in plan.jobs("paper", ablations=True)
    assert experiments.resolve(UNFROZEN, "sample", 0).model == LINEAR


def test_wrong_study_stops_what_needs_it(write):
    write([{"base": "model_1", "dropout": 3}])
    assert len(plan.jobs("sample")) == 8
    for call in ({"ablations": True}, {"names": ["model_1-dropout_3"]}):
        with pytest.raises(params.ParamsError, match=r"ablations\.yaml: dropout: 3 is not allowed"):
            plan.jobs("sample", **call)


def test_no_study_has_no_ablations(write):
    (params.PARAMS_DIR / "studies" / "ablations.yaml").unlink()
    assert len(plan.jobs("sample", ablations=True)) == 8
    with pytest.raises(params.ParamsError, match="MODELS: 'mine' is not allowed"):
        plan.jobs("sample", names=["mine"])
