import json
import os
from dataclasses import replace

import pytest
import yaml

from fmnist_keras import _backend as backend
from fmnist_keras import _yaml as files
from fmnist_keras import params
from fmnist_keras.report import paper
from fmnist_keras.workflow import experiments

GOOD = (params.PARAMS_DIR / "model_1.yaml").read_text()
CLASSIFIER = (params.PARAMS_DIR / "model_5.yaml").read_text()


@pytest.fixture
def folder(tmp_path):
    """A params folder that holds the paper's eight files; `folder("model_9", text)` adds one."""
    for path in params.PARAMS_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())

    def add(name, text):
        (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return add


def changed(text, **changes):
    values = yaml.safe_load(text) | {"model": "model_9"} | changes
    return yaml.safe_dump({name: value for name, value in values.items() if value != "DROP"})


def test_the_eight_files_are_cuadros_1_and_2():
    found = params.load_all()
    assert list(found) == [f"model_{i}" for i in range(1, 9)]
    for name, theirs in paper.HYPERPARAMETERS.items():
        ours = found[name]
        assert {field: getattr(ours, field) for field in theirs} == theirs
        assert ours.kind == ("classifier" if "encoder_from" in theirs else "autoencoder")
        assert ours.epsilon == (1e-8 if theirs["optimizer"] == "adam" else None)
    assert [v.upsampling for v in list(found.values())[:4]] == ["output_padding"] * 3 + ["kernel_size"]
    assert [v.train_encoder for v in list(found.values())[4:]] == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        (GOOD, {"latent_dim": 0}, ["latent_dim", "0", "from 1 to 4096"]),
        (GOOD, {"latent_dim": 64.5}, ["latent_dim", "64.5", "whole number"]),
        (GOOD, {"latent_dim": True}, ["latent_dim", "True", "whole number"]),
        (GOOD, {"latent_dim": "64"}, ["latent_dim", "'64'", "whole number"]),
        (GOOD, {"dropout": 1.0}, ["dropout", "1.0", "below 1"]),
        (GOOD, {"dropout": -0.1}, ["dropout", "-0.1", "from 0"]),
        (GOOD, {"dropout": float("nan")}, ["dropout", "nan", "from 0"]),
        (GOOD, {"learning_rate": float("inf")}, ["learning_rate", "inf", "above 0"]),
        (GOOD, {"learning_rate": 0}, ["learning_rate", "0", "above 0"]),
        (GOOD, {"batch_size": None}, ["batch_size", "None", "whole number"]),
        (GOOD, {"batch_size": [100]}, ["batch_size", "[100]", "whole number"]),
        (GOOD, {"epochs": 0}, ["epochs", "0", "from 1"]),
        (GOOD, {"patience": -1}, ["patience", "-1", "from 1"]),
        (GOOD, {"min_delta": -1.0}, ["min_delta", "-1.0", "from 0"]),
        (GOOD, {"seed": -1}, ["seed", "-1", "from 0"]),
        (GOOD, {"optimizer": "rmsprop"}, ["optimizer", "rmsprop", "adam or sgd"]),
        (GOOD, {"data": "half"}, ["data", "half", "sample or full"]),
        (GOOD, {"protocol": "mine"}, ["protocol", "mine", "paper or holdout"]),
        (GOOD, {"upsampling": "nearest"}, ["upsampling", "nearest", "output_padding or kernel_size"]),
        (GOOD, {"epsilon": "1e-8"}, ["epsilon", "'1e-8'", "write 1.0e-8"]),
        (GOOD, {"optimizer": "sgd"}, ["epsilon", "1e-08", "with sgd null"]),
        (GOOD, {"learning_rat": 0.1}, ["learning_rat", "did you mean learning_rate?"]),
        (GOOD, {"frobnicate": 1}, ["frobnicate", "unknown", "latent_dim"]),
        (GOOD, {"latent_dim": "DROP"}, ["latent_dim", "missing", "whole number"]),
        (GOOD, {"upsampling": "DROP"}, ["upsampling", "encoder_from", "neither"]),
        (GOOD, {"encoder_from": "model_1"}, ["upsampling", "encoder_from", "both"]),
        (GOOD, {"model": "model_8000"}, ["model", "model_8000", "model_9"]),
        (GOOD, {"model": "../model_9"}, ["model", "../model_9", "letters"]),
        (GOOD, {"model": "{}"}, ["model", "'{}'", "letters"]),
        (GOOD, {"model": "<script>alert(1)</script>"}, ["model", "<script>", "letters"]),
        (GOOD, {"model": ".hidden"}, ["model", ".hidden", "letters"]),
        (GOOD, {"upsampling": "<script>"}, ["upsampling", "<script>", "output_padding or kernel_size"]),
        (GOOD, {"suite": "../../elsewhere"}, ["suite", "../../elsewhere", "letters"]),
        (GOOD, {"latent_dim": 64.0}, ["latent_dim", "64.0", "whole number"]),
        (GOOD, {"learning_rate": float("nan")}, ["learning_rate", "nan", "above 0"]),
        (GOOD, {"learning_rate": 10**400}, ["learning_rate", "1000", "up to 1.0e+6"]),
        (GOOD, {"a\nb": 1}, ["'a\\nb'", "unknown"]),
        (CLASSIFIER, {"encoder_from": "model_11"}, ["encoder_from", "model_11", "did you mean model_1?"]),
        (CLASSIFIER, {"encoder_from": "model_6"}, ["encoder_from", "model_6", "not an autoencoder"]),
        (CLASSIFIER, {"encoder_from": "model_9"}, ["encoder_from", "model_9", "not an autoencoder"]),
        (CLASSIFIER, {"encoder_from": "model_2"}, ["latent_dim", "64", "256", "model_2"]),
        (CLASSIFIER, {"train_encoder": "yes"}, ["train_encoder", "'yes'", "true or false"]),
        (CLASSIFIER, {"final_activation": "softmax"}, ["final_activation", "softmax", "relu or null"]),
    ],
)
def test_what_is_wrong_is_named_with_file_field_value_and_what_is_allowed(folder, text, changes, words):
    with pytest.raises(params.ParamsError) as error:
        params.load_all(folder("model_9", changed(text, **changes)))
    message = str(error.value)
    assert "\n" not in message
    assert "model_9.yaml" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["None"]),
        (b"- a list\n", ["a list"]),
        (b"model:\tmodel_9\n\tlatent_dim: 3\n", ["cannot be read"]),
        (b"model: m\xff\n", ["cannot be read"]),
        (b"model: {\n", ["cannot be read"]),
        (b"model: !!python/object:os.system {}\n", ["cannot be read"]),
        (b"model: !!python/object/apply:os.system ['touch evil']\n", ["cannot be read"]),
        (GOOD.encode() + b"7: 1\n", ["7: 1", "unknown field"]),
        (GOOD.encode().replace(b"seed: 0", b"seed: 0x" + b"f" * 5000), ["seed", "20000 bits"]),
        (b"model: 2001-13-45\n", ["cannot be read"]),
        (b"seed: " + b"9" * 5000, ["cannot be read"]),
        (b"a: &a [0, 0]\nb: &b [*a, *a, *a]\nseed: *b\n", ["alias"]),
        (b"model: " + b"[" * 2000, ["cannot be read"]),
        (GOOD.encode() + b"dropout: 0.3\n", ["'dropout'", "duplicate field"]),
        (b"# " + b"x" * 10_000_000, ["larger than"]),
        (
            GOOD.encode().replace(b"epochs: 40", b"epochs: 1:30"),
            ["epochs", "1:30", "YAML reads it as 90", "plain"],
        ),
        (GOOD.encode().replace(b"seed: 0", b"seed: 010"), ["seed", "010", "YAML reads it as 8", "plain"]),
        (GOOD.encode().replace(b"epochs: 40", b"epochs: 4_0"), ["epochs", "4_0", "YAML reads it as 40"]),
        (GOOD.encode() + b"<<: {dropout: 0.3}\n", ["<<", "written out"]),
        (GOOD.encode() + b'run_dir: "a\\0b"\n', ["run_dir", "a\\x00b", "path of a folder"]),
        (GOOD.encode("utf-16"), ["cannot be read", "allowed", "in UTF-8"]),
    ],
)
def test_a_file_that_is_no_params_file_is_named(folder, content, words):
    path = folder("model_9", "")
    (path / "model_9.yaml").write_bytes(content)
    with pytest.raises(params.ParamsError) as error:
        params.load_all(path)
    assert "\n" not in str(error.value)
    for word in ("model_9.yaml", *words):
        assert word in str(error.value)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("none")])
def test_what_is_no_file_is_named_and_not_waited_for(folder, make):
    path = folder("model_9", "") / "model_9.yaml"
    path.unlink()
    make(path)
    with pytest.raises(params.ParamsError, match=r"model_9\.yaml: .*; allowed: .*`field: value`"):
        params.load_all(path.parent)


def test_autoencoders_cannot_stand_in_a_circle(folder):
    """Only a classifier has an `encoder_from`, and only an autoencoder can be one: two links at most."""
    circle = changed(CLASSIFIER, model="model_10", encoder_from="model_9")
    (folder("model_9", changed(CLASSIFIER, encoder_from="model_10")) / "model_10.yaml").write_text(circle)
    with pytest.raises(
        params.ParamsError, match=r"model_9.yaml: encoder_from: 'model_10' is not an autoencoder"
    ):
        params.load_all(folder("model_9", changed(CLASSIFIER, encoder_from="model_10")))


def test_a_ninth_model_is_one_file(folder):
    text = changed((params.PARAMS_DIR / "model_3.yaml").read_text(), optimizer="adam")
    values = params.load_all(folder("model_9", text))["model_9"]
    assert values.kind == "autoencoder"
    assert values.epsilon == 1e-8  # the paper's, also where the file leaves it out


def test_natural_order():
    assert sorted(["model_10", "b", "model_2", "7"], key=params.natural) == [
        "7",
        "b",
        "model_2",
        "model_10",
    ]


def test_a_run_is_the_model_s_file_then_the_suite_s():
    full = experiments.for_run("model_2", "paper", 3)
    small = experiments.for_run("model_2", "sample", 0)
    assert (full.data, full.epochs, full.seed, full.suite) == ("full", 40, 3, "paper")
    assert (small.data, small.latent_dim, small.suite) == ("sample", 256, "sample")
    with pytest.raises(params.ParamsError, match="did you mean sample"):
        experiments.for_run("model_2", "sampel", 0)
    with pytest.raises(params.ParamsError, match="did you mean model_2"):
        experiments.for_run("modle_2", "sample", 0)


def test_a_backend_that_there_is_not_is_named_before_anything_is_trained(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "touch")
    with pytest.raises(params.ParamsError, match="KERAS_BACKEND: 'touch' is not allowed; did you mean torch"):
        experiments.for_run("model_1", "sample", 0)
    with pytest.raises(params.ParamsError, match="KERAS_BACKEND: 'touch'"):
        params.check(namespace(GOOD), "autoencoder")
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(params.ParamsError, match="jax is not installed here: make backends"):
        experiments.for_run("model_1", "sample", 0)


@pytest.mark.parametrize("line", ["model: model_1", "seed: 3", "suite: odd", "run_dir: here"])
def test_a_suite_names_no_run(tmp_path, monkeypatch, line):
    """Its fields hold for all models: one that tells runs apart would be lost, or put them in one place."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "odd.yaml").write_text(f"data: sample\n{line}\n")
    found = params.load_all()
    monkeypatch.setattr(experiments, "PARAMS_DIR", tmp_path)
    field, value = line.split(": ")
    with pytest.raises(
        params.ParamsError, match=rf"odd\.yaml: {field}: '?{value}'? is not allowed; allowed: "
    ):
        experiments.for_run("model_2", "odd", 0, found)


def namespace(text, injected=""):
    names = params.fields("autoencoder")
    values = dict.fromkeys(names) | {"suite": "scratch", "deterministic": False, "tsne": False}
    values["initializer"] = "glorot_uniform"
    values |= yaml.safe_load(text)
    exec(injected, values)
    return values | {"In": ["", "model = 1", injected], "x_train": object(), "epochs_of_mine": 3}


def test_a_notebook_s_own_names_are_not_taken_for_parameters():
    checked = params.check(namespace(GOOD, "# Parameters\nlatent_dim = 32\n"), "autoencoder")
    assert checked == replace(params.load(params.PARAMS_DIR / "model_1.yaml"), latent_dim=32)


def test_what_a_notebook_does_not_say_is_the_default():
    values = yaml.safe_load(GOOD) | {"In": [""]}
    checked = params.check(values, "autoencoder")
    found = checked.suite, checked.limit, checked.tsne, checked.dtype_policy
    assert found == ("scratch", None, False, None)


def test_what_papermill_passes_must_be_in_effect():
    """A parameters cell that has lost its tag stands after papermill's and wins."""
    lost = namespace(GOOD, "# Parameters\nlatent_dim = 7\nepochs = 40\n") | {"latent_dim": 64}
    with pytest.raises(params.ParamsError, match="latent_dim: 7 was passed, and a later cell sets 64; .*tag"):
        params.check(lost, "autoencoder")
    absent = namespace(GOOD, "# Parameters\nrun_dir = 'here'\n") | {"run_dir": None}
    with pytest.raises(params.ParamsError, match="run_dir: 'here' was passed, and a later cell sets None"):
        params.check(absent, "autoencoder")


def test_paths_that_papermill_injects_are_its_own():
    """As with `papermill --inject-paths`, the last in its cell."""
    injected = (
        '# Parameters\nepochs = 7\nPAPERMILL_INPUT_PATH = "a.ipynb"\nPAPERMILL_OUTPUT_PATH = "b.ipynb"\n'
    )
    assert params.check(namespace(GOOD, injected), "autoencoder").epochs == 7


@pytest.mark.parametrize(
    ("passed", "field", "value"),
    [
        ("tsne = 'true'", "tsne", True),
        ("tsne = 'False'", "tsne", False),
        ("limit = 'null'", "limit", None),
        ("limit = 'None'", "limit", None),
        ("dtype_policy = 'null'", "dtype_policy", None),
    ],
)
def test_papermill_s_words_for_true_false_and_none(passed, field, value):
    assert getattr(params.check(namespace(GOOD, f"# Parameters\n{passed}\n"), "autoencoder"), field) is value


def test_a_word_that_a_field_does_not_take_stays_text():
    with pytest.raises(params.ParamsError, match="latent_dim: 'true' is not allowed"):
        params.check(namespace(GOOD, "# Parameters\nlatent_dim = 'true'\n"), "autoencoder")


def test_a_name_that_papermill_sets_and_no_notebook_knows_is_an_error():
    with pytest.raises(
        params.ParamsError, match="latentdim: 32 is an unknown field; did you mean latent_dim"
    ):
        params.check(namespace(GOOD, "# Parameters\nlatentdim = 32\n"), "autoencoder")


def test_an_installed_copy_finds_the_repository_that_it_runs_in_or_says_that_there_is_none(
    tmp_path, monkeypatch
):
    installed, inside = tmp_path / "site-packages", params.ROOT / "reports"
    monkeypatch.chdir(inside)
    assert files.find_root(installed) == params.ROOT
    monkeypatch.chdir(tmp_path)
    assert files.find_root(installed) == tmp_path, "where reports go then: not among the libraries"
    monkeypatch.setattr(params, "ROOT", tmp_path)
    with pytest.raises(params.ParamsError, match="has no params and no notebooks; allowed: a checkout"):
        params.load_all()


@pytest.mark.parametrize("name", ["latest", "model_1", "sample/model_1", None])
def test_a_notebook_takes_an_encoder_of_any_suite(name):
    values = {"In": [""]} | yaml.safe_load(CLASSIFIER) | {"encoder_from": name}
    assert params.check(values, "classifier").encoder_from == name


@pytest.mark.parametrize("name", ["", "../model_1", "a/b/c", "sample/", 3])
def test_an_encoder_that_is_no_name_is_refused(name):
    with pytest.raises(params.ParamsError, match="encoder_from: .* is not allowed; allowed: the name of an"):
        params.check({"In": [""]} | yaml.safe_load(CLASSIFIER) | {"encoder_from": name}, "classifier")


def test_a_params_file_names_an_autoencoder_of_its_own_folder(folder):
    for name in ("latest", "sample/model_1"):
        with pytest.raises(params.ParamsError, match="is not an autoencoder in params"):
            params.load_all(folder("model_9", changed(CLASSIFIER, encoder_from=name)))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"backend": "theano"}, "backend: 'theano' is not allowed; allowed: jax, tensorflow, torch"),
        ({"floatx": "float8"}, "floatx: 'float8' is not allowed; did you mean float"),
        ({"image_data_format": "th"}, "image_data_format: 'th' is not allowed; allowed: channels"),
    ],
)
def test_a_wrong_keras_json_is_named(tmp_path, monkeypatch, said, words):
    (tmp_path / "keras.json").write_text(json.dumps(said), encoding="utf-8")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with pytest.raises(params.ParamsError) as error:
        backend.check_backend()
    assert str(error.value).startswith(f"{tmp_path / 'keras.json'}: {words}")


def test_restored_epoch_is_one_that_runs():
    values = params.load_all()["model_5"].as_dict()
    assert params.validate(values | {"restore_epoch": 40}, "classifier").restore_epoch == 40
    with pytest.raises(params.ParamsError, match="restore_epoch: 41 is not allowed; allowed: at most 40"):
        params.validate(values | {"restore_epoch": 41}, "classifier")
